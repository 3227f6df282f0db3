//! The servers. Each has the same routes (`/begin/{size}`, `/read`, `/write`) and events (`read`, `write`); reads and
//! writes are answered by a number.

mod annotated;
mod by_hand;
mod without;

use std::{future::pending, io, time::Duration};

use axum::{Router, serve::ListenerExt};
use socketioxide::{SocketIo, layer::SocketIoLayer};
use socketioxide_session::{MemoryBackend, StoreBackend};
use tokio::net::TcpListener;
use tower_sessions::MemoryStore;

use crate::work::Server;

/// Never within a run: a ping would be measured.
const PING_INTERVAL: Duration = Duration::from_hours(1);

pub(crate) fn app(server: Server) -> Router {
    match server {
        Server::None | Server::Control => without::app(),
        Server::ByHand => by_hand::app(),
        Server::Memory => annotated::app(MemoryBackend::default()),
        Server::Store => annotated::app(StoreBackend::new(MemoryStore::default())),
    }
}

/// Serves on a free port, whose number it prints.
pub(crate) async fn serve(server: Server) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    // Else answers to events in flight wait for the system's delayed acknowledgements: 40 ms.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    // On a task: what runs on the main thread is not on tokio's own.
    tokio::spawn(async move { axum::serve(listener, app(server)).await });
    pending().await
}

fn sockets() -> (SocketIoLayer, SocketIo) {
    SocketIo::builder().ping_interval(PING_INTERVAL).build_layer()
}
