//! tower-sessions as one writes it by hand: one struct under one key. Nobody waits for a turn, and updates can be lost.

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::json;
use socketioxide::extract::{AckSender, SocketRef};
use tower_sessions::{Session, SessionManagerLayer, SessionStore, session::Error, session_store};

use crate::state::{Size, State};

const KEY: &str = "state";

type Answer = Result<String, StatusCode>;

fn answer(result: Result<u64, Error>) -> Answer {
    result.map(|count| count.to_string()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn begin(session: Session, Path(size): Path<Size>) -> Answer {
    answer(session.insert(KEY, State::of(size)).await.map(|()| 0))
}

async fn read(session: Session) -> Answer {
    answer(count(&session).await)
}

async fn write(session: Session) -> Answer {
    // The layer saves.
    answer(count_up(&session).await)
}

async fn count(session: &Session) -> Result<u64, Error> {
    Ok(session.get::<State>(KEY).await?.unwrap_or_default().count)
}

async fn count_up(session: &Session) -> Result<u64, Error> {
    let mut state = session.get::<State>(KEY).await?.unwrap_or_default();
    state.count += 1;
    session.insert(KEY, &state).await?;
    Ok(state.count)
}

/// The socket's `Session` is that of its handshake: it must be loaded anew to see what others wrote.
async fn session_of(socket: &SocketRef) -> Result<Session, Error> {
    let session = socket.req_parts().extensions.get::<Session>().cloned();
    let session = session.ok_or(Error::Store(session_store::Error::Backend("no layer".to_owned())))?;
    session.load().await?;
    Ok(session)
}

async fn read_by_event(socket: SocketRef, ack: AckSender) {
    let read = async { count(&session_of(&socket).await?).await };
    acknowledge(ack, read.await);
}

async fn write_by_event(socket: SocketRef, ack: AckSender) {
    let write = async {
        let session = session_of(&socket).await?;
        let count = count_up(&session).await?;
        session.save().await?;
        Ok(count)
    };
    acknowledge(ack, write.await);
}

fn acknowledge(ack: AckSender, result: Result<u64, Error>) {
    match result {
        Ok(count) => ack.send(&count),
        Err(error) => ack.send(&json!({ "error": error.to_string() })),
    }
    .ok();
}

async fn connected(socket: SocketRef) {
    socket.on("read", read_by_event);
    socket.on("write", write_by_event);
}

pub(super) fn app(store: impl SessionStore + Clone) -> Router {
    let (sockets, io) = super::sockets();
    io.ns("/", connected);
    Router::new()
        .route("/begin/{size}", post(begin))
        .route("/read", get(read))
        .route("/write", post(write))
        .layer(sockets)
        .layer(SessionManagerLayer::new(store).with_secure(false))
}
