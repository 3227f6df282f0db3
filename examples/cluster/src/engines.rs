//! What the nodes have in common: one Redis or one PostgreSQL, for the sessions and for what `io.emit` says on every node.
//! The latter is socketioxide's own business, and has connections of its own.

use redis::{Client, IntoConnectionInfo, ProtocolVersion};
use socketioxide::SocketIo;
use socketioxide_postgres::{PostgresAdapterCtr, SqlxAdapter, drivers::sqlx::sqlx_client};
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};
use socketioxide_session::{PostgresBackend, RedisBackend, SessionLayer};

use crate::{Outcome, chat, serve};

pub(crate) fn is_postgres(engine: &str) -> bool {
    engine.starts_with("postgres")
}

/// A node on the engine with this address.
pub(crate) async fn node(port: u16, engine: &str) -> Outcome {
    if is_postgres(engine) { on_postgres(port, engine).await } else { on_redis(port, engine).await }
}

async fn on_postgres(port: u16, postgres: &str) -> Outcome {
    // The pool that the application has already, if it has one.
    let sessions = PostgresBackend::new(sqlx::PgPool::connect(postgres).await?);
    sessions.migrate().await?;
    // This adapter is built on another version of sqlx, so it has a pool of its own.
    let adapter = PostgresAdapterCtr::new_with_sqlx(sqlx_client::PgPool::connect(postgres).await?);
    let (sockets, io) = SocketIo::builder().with_adapter::<SqlxAdapter<_>>(adapter).build_layer();
    io.ns("/", chat::events()).await?;
    serve(port, SessionLayer::new(sessions), sockets).await
}

async fn on_redis(port: u16, redis: &str) -> Outcome {
    let sessions = RedisBackend::connect(redis).await?;
    // The adapter's connection must speak RESP3.
    let address = redis.into_connection_info()?;
    let settings = address.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(address.set_redis_settings(settings))?;
    let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
    let (sockets, io) = SocketIo::builder().with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", chat::events()).await?;
    serve(port, SessionLayer::new(sessions), sockets).await
}
