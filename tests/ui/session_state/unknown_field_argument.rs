use socketioxide_session::session_state;

#[session_state]
struct Settings {
    #[session(rename = "lang", skip)]
    language: String,
}

fn main() {}
