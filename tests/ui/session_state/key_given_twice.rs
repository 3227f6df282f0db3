use socketioxide_session::session_state;

#[session_state(key = "user", key = "account")]
struct User {
    name: Option<String>,
}

fn main() {}
