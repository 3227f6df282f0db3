use socketioxide_session::session_state;

#[session_state]
struct Settings {
    #[session(default = "en")]
    language: String,
}

fn main() {}
