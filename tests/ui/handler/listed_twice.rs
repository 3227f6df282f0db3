use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(session, session)]
async fn logout(session: &mut User) {
    session.name = None;
}

fn main() {}
