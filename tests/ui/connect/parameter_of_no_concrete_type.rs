use socketioxide::{adapter::LocalAdapter, handler::FromConnectParts};
use socketioxide_session::connect_handler;

#[connect_handler]
async fn connected(socket: impl FromConnectParts<LocalAdapter>) {
    drop(socket);
}

fn main() {}
