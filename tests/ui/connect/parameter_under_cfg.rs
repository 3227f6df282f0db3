use socketioxide::extract::SocketRef;
use socketioxide_session::connect_handler;

#[connect_handler]
async fn connected(#[cfg(unix)] socket: SocketRef) {
    drop(socket);
}

fn main() {}
