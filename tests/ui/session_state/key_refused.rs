use socketioxide_session::session_state;

#[session_state(key = "")]
struct User {
    name: Option<String>,
}

#[session_state(key = "socketioxide-session.user")]
struct Account {
    name: Option<String>,
}

fn main() {}
