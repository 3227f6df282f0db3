#![deny(unused)]

use socketioxide::extract::{SocketRef, TryData};
use socketioxide_session::{connect_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(session)]
async fn login(session: &mut User, name: TryData<String>) {
    session.name = None;
}

#[connect_handler(session)]
async fn connected(session: &User, socket: SocketRef) {
    socket.on("login", login);
}

fn main() {
    let (_, io) = socketioxide::SocketIo::new_layer();
    io.ns("/", connected);
}
