use socketioxide_session::session_state;

#[derive(serde::Serialize, serde::Deserialize)]
enum Theme {
    Light,
    Dark,
}

#[session_state]
struct Settings {
    language: String,
    theme: Theme,
}

fn main() {}
