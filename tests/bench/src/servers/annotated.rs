//! This crate.

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use socketioxide::extract::SocketRef;
use socketioxide_session::{
    Backend, Error, Expiry, SessionControl, SessionLayer, connect_handler, http_handler, socket_handler,
    time::Duration,
};

use crate::state::{Size, State};

#[http_handler(state)]
async fn begin(state: &mut State, Path(size): Path<Size>) {
    *state = State::of(size);
}

/// A session that ends by itself.
#[http_handler(state)]
async fn begin_for(
    state: &mut State,
    control: SessionControl,
    Path((size, seconds)): Path<(Size, i64)>,
) -> Result<(), Error> {
    *state = State::of(size);
    control.set_expiry(Some(Expiry::OnInactivity(Duration::seconds(seconds))))
}

#[http_handler(state)]
async fn read(state: &State) -> String {
    state.count.to_string()
}

#[http_handler(state)]
async fn write(state: &mut State) -> String {
    state.count += 1;
    state.count.to_string()
}

#[socket_handler(state)]
async fn read_by_event(state: &State) -> u64 {
    state.count
}

#[socket_handler(state)]
async fn write_by_event(state: &mut State) -> u64 {
    state.count += 1;
    state.count
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("read", read_by_event);
    socket.on("write", write_by_event);
}

pub(super) fn app(backend: impl Backend) -> Router {
    let (sockets, io) = super::sockets();
    io.ns("/", connected);
    Router::new()
        .route("/begin/{size}", post(begin))
        .route("/begin/{size}/{seconds}", post(begin_for))
        .route("/read", get(read))
        .route("/write", post(write))
        .layer(sockets)
        .layer(SessionLayer::new(backend).with_secure(false))
}
