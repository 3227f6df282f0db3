use socketioxide_session::session_state;

#[session_state]
struct Settings {
    #[session(default)]
    language: String,
    #[session]
    dark: bool,
    #[session()]
    size: u8,
    #[session = "12"]
    columns: u8,
}

fn main() {}
