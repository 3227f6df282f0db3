use socketioxide::extract::SocketRef;
use socketioxide_session::{connect_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(session)]
async fn login(session: &mut User, name: String) {
    session.name = Some(name);
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("login", login);
}

fn main() {}
