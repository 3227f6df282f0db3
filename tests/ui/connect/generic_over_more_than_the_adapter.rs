use socketioxide::{adapter::Adapter, extract::SocketRef};
use socketioxide_session::{SessionState, connect_handler};

#[connect_handler(session)]
async fn connected<A: Adapter, T: SessionState>(session: &T, socket: SocketRef<A>) {
    drop((session, socket));
}

#[connect_handler]
async fn counted<const N: usize>(socket: SocketRef) {
    drop((N, socket));
}

#[connect_handler(session)]
async fn borrowed<'a, T: SessionState>(session: &'a T) {
    drop(session);
}

fn main() {}
