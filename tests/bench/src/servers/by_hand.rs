//! tower-sessions as one writes it by hand: one struct under one key, or a key for each field. Nobody waits for a turn, and
//! updates can be lost.

use std::future::Future;

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, SocketRef};
use tower_sessions::{Session, SessionManagerLayer, SessionStore, session::Error, session_store};

use crate::state::{Size, State};

const KEY: &str = "state";
const COUNT: &str = "count";

type Answer = Result<String, StatusCode>;

/// How the state stands in a session.
pub(super) trait Layout: 'static {
    fn begin(session: &Session, state: State) -> impl Future<Output = Result<(), Error>> + Send;
    fn count(session: &Session) -> impl Future<Output = Result<u64, Error>> + Send;
    fn count_up(session: &Session) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// As one struct.
pub(super) enum OneStruct {}

/// Each of its fields by itself.
pub(super) enum KeyForEachField {}

impl Layout for OneStruct {
    async fn begin(session: &Session, state: State) -> Result<(), Error> {
        session.insert(KEY, state).await
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
}

impl Layout for KeyForEachField {
    async fn begin(session: &Session, state: State) -> Result<(), Error> {
        let Value::Object(fields) = serde_json::to_value(state)? else { return Ok(()) };
        for (field, value) in fields {
            session.insert_value(&field, value).await?;
        }
        Ok(())
    }

    async fn count(session: &Session) -> Result<u64, Error> {
        Ok(session.get(COUNT).await?.unwrap_or_default())
    }

    async fn count_up(session: &Session) -> Result<u64, Error> {
        let count = Self::count(session).await? + 1;
        session.insert(COUNT, count).await?;
        Ok(count)
    }
}

fn answer(result: Result<u64, Error>) -> Answer {
    result.map(|count| count.to_string()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn begin<L: Layout>(session: Session, Path(size): Path<Size>) -> Answer {
    answer(L::begin(&session, State::of(size)).await.map(|()| 0))
}

async fn idle() -> String {
    1_u64.to_string()
}

async fn read<L: Layout>(session: Session) -> Answer {
    answer(L::count(&session).await)
}

async fn write<L: Layout>(session: Session) -> Answer {
    // The layer saves.
    answer(L::count_up(&session).await)
}

/// The socket's `Session` is that of its handshake: it must be loaded anew to see what others wrote.
async fn session_of(socket: &SocketRef) -> Result<Session, Error> {
    let session = socket.req_parts().extensions.get::<Session>().cloned();
    let session = session.ok_or(Error::Store(session_store::Error::Backend("no layer".to_owned())))?;
    session.load().await?;
    Ok(session)
}

async fn read_by_event<L: Layout>(socket: SocketRef, ack: AckSender) {
    let read = async { L::count(&session_of(&socket).await?).await };
    acknowledge(ack, read.await);
}

async fn write_by_event<L: Layout>(socket: SocketRef, ack: AckSender) {
    let write = async {
        let session = session_of(&socket).await?;
        let count = L::count_up(&session).await?;
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

async fn connected<L: Layout>(socket: SocketRef) {
    socket.on("read", read_by_event::<L>);
    socket.on("write", write_by_event::<L>);
}

pub(super) fn app<L: Layout>(store: impl SessionStore + Clone) -> Router {
    let (sockets, io) = super::sockets();
    io.ns("/", connected::<L>);
    Router::new()
        .route("/begin/{size}", post(begin::<L>))
        .route("/idle", get(idle))
        .route("/read", get(read::<L>))
        .route("/write", post(write::<L>))
        .layer(sockets)
        .layer(SessionManagerLayer::new(store).with_secure(false))
}
