use socketioxide::extract::SocketRef;
use socketioxide_session::{SessionControl, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(user, control)]
async fn logout(user: &mut User, control: &SessionControl) {
    user.name = None;
}

#[socket_handler(socket)]
async fn leave(socket: &SocketRef) {}

fn main() {}
