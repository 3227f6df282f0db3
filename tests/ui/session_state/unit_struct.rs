use socketioxide_session::session_state;

#[session_state]
struct LoggedIn;

fn main() {}
