use socketioxide_session::session_state;

#[derive(Default, serde::Deserialize)]
#[session_state]
struct Settings {
    language: String,
}

fn main() {}
