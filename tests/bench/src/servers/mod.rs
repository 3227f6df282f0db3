//! The servers. Each has the same routes (`/begin/{size}`, `/read`, `/write`) and events (`read`, `write`); reads and
//! writes are answered by a number.

mod annotated;
mod by_hand;
mod fill;
mod without;

use std::{future::pending, io, time::Duration};

use axum::{Router, serve::ListenerExt};
use socketioxide::{SocketIo, layer::SocketIoLayer};
use socketioxide_session::{
    MemoryBackend, PostgresBackend, RedisBackend, StoreBackend, backend::BackendError,
};
use tokio::net::TcpListener;
use tower_sessions::MemoryStore;
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};
use tower_sessions_sqlx_store::{
    PostgresStore,
    sqlx::postgres::{PgPool, PgPoolOptions},
};

use self::by_hand::{KeyForEachField, OneStruct};
use crate::{broken, work::Server};

/// Never within a run: a ping would be measured, and clients that wait for their turn answer none.
const PING: Duration = Duration::from_hours(1);

/// As many as that store's own example has.
const REDIS_CONNECTIONS: usize = 6;

/// As many as sqlx has by default.
const POSTGRES_CONNECTIONS: u32 = 10;

/// Sessions: more than there are.
const CACHED: usize = 10_000;

/// `behind` is the address of the Redis or PostgreSQL that a server with it keeps its sessions in.
pub(crate) async fn app(server: Server, behind: &str) -> io::Result<Router> {
    Ok(match server {
        Server::None | Server::Control => without::app(),
        Server::ByHand => by_hand::app::<OneStruct>(MemoryStore::default()),
        Server::ByHandKeys => by_hand::app::<KeyForEachField>(MemoryStore::default()),
        Server::Memory => annotated::app(MemoryBackend::default()),
        Server::MemoryClone => annotated::with_clone::app(MemoryBackend::default()),
        Server::Store => annotated::app(StoreBackend::new(MemoryStore::default())),
        Server::Exclusive => annotated::app(StoreBackend::exclusive(MemoryStore::default())),
        Server::RedisByHand => {
            by_hand::app::<OneStruct>(RedisStore::new(pool(behind).await.map_err(io::Error::other)?))
        }
        Server::Redis => annotated::app(RedisBackend::connect(behind).await.map_err(io::Error::other)?),
        Server::RedisCached => annotated::app(cached(behind).await.map_err(io::Error::other)?),
        Server::PostgresByHand => {
            let store = PostgresStore::new(connections(behind).await?);
            store.migrate().await.map_err(io::Error::other)?;
            by_hand::app::<OneStruct>(store)
        }
        Server::Postgres => {
            let backend = PostgresBackend::new(connections(behind).await?);
            backend.migrate().await.map_err(io::Error::other)?;
            annotated::app(backend)
        }
        Server::NodeNone | Server::Node => return Err(broken("that one is written in JavaScript")),
    })
}

/// With a prefix of its own: it is no other node of the application that does without.
async fn cached(redis: &str) -> Result<RedisBackend, BackendError> {
    RedisBackend::connect(redis).await?.with_prefix("cached:").with_read_cache(CACHED)
}

async fn connections(postgres: &str) -> io::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .connect(postgres)
        .await
        .map_err(io::Error::other)
}

async fn pool(redis: &str) -> Result<Pool, tower_sessions_redis_store::fred::error::Error> {
    let pool = Pool::new(Config::from_url(redis)?, None, None, None, REDIS_CONNECTIONS)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(pool)
}

/// Serves on a free port, whose number it prints.
pub(crate) async fn serve(server: Server, behind: &str) -> io::Result<()> {
    let app = fill::with_filling(app(server, behind).await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    // Else answers to events in flight wait for the system's delayed acknowledgements: 40 ms.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    // On a task: what runs on the main thread is not on tokio's own.
    tokio::spawn(async move { axum::serve(listener, app).await });
    pending().await
}

fn sockets() -> (SocketIoLayer, SocketIo) {
    SocketIo::builder().ping_interval(PING).ping_timeout(PING).build_layer()
}
