use socketioxide::SocketIo;
use socketioxide_session::{connect_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[connect_handler(session)]
async fn connected(session: &mut User, name: String) {
    session.name = Some(name);
}

fn main() {
    let (_, io) = SocketIo::new_layer();
    io.ns("/", connected);
}
