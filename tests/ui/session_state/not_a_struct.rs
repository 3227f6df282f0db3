use socketioxide_session::session_state;

#[session_state]
async fn user() {}

#[session_state]
type User = String;

fn main() {}
