use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(session)]
async fn logout(session: Option<&mut User>) {
    if let Some(session) = session {
        session.name = None;
    }
}

fn main() {}
