//! No session: the floor.

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use socketioxide::extract::{AckSender, SocketRef};

use crate::state::Size;

async fn begin(Path(_): Path<Size>) {}

async fn answer() -> String {
    1_u64.to_string()
}

async fn event(ack: AckSender) {
    ack.send(&1_u64).ok();
}

async fn connected(socket: SocketRef) {
    socket.on("read", event);
    socket.on("write", event);
}

pub(super) fn app() -> Router {
    let (sockets, io) = super::sockets();
    io.ns("/", connected);
    Router::new()
        .route("/begin/{size}", post(begin))
        .route("/idle", get(answer))
        .route("/read", get(answer))
        .route("/write", post(answer))
        .layer(sockets)
}
