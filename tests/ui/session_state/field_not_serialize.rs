use socketioxide_session::session_state;

#[derive(Default, serde::Deserialize)]
struct Theme;

#[session_state]
struct Settings {
    language: String,
    theme: Theme,
}

fn main() {}
