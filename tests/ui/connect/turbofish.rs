use socketioxide::{
    SocketIo,
    adapter::{Adapter, LocalAdapter},
    extract::SocketRef,
};
use socketioxide_session::connect_handler;

#[connect_handler]
async fn connected<A: Adapter>(socket: SocketRef<A>) {
    drop(socket);
}

fn main() {
    let (_, io) = SocketIo::new_layer();
    io.ns("/", connected::<LocalAdapter>);
}
