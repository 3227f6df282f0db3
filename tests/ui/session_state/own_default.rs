use socketioxide_session::session_state;

#[session_state]
struct Settings {
    language: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { language: String::from("en") }
    }
}

fn main() {}
