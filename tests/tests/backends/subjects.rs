//! The backends that the suite is tried on, each fresh, with what must live as long as it does.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use socketioxide_session::{Backend, MemoryBackend, PostgresBackend, RedisBackend, StoreBackend};
use socketioxide_session_tests::{postgres_server, redis_server::RedisServer};
use tower_sessions::MemoryStore;
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};
use tower_sessions_sqlx_store::{
    SqliteStore,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool},
};

pub(crate) type Subject = Arc<dyn Backend>;

pub(crate) async fn memory() -> (Subject, ()) {
    (Arc::new(MemoryBackend::default()), ())
}

pub(crate) async fn memory_store() -> (Subject, ()) {
    (Arc::new(StoreBackend::new(MemoryStore::default())), ())
}

pub(crate) async fn exclusive_store() -> (Subject, ()) {
    (Arc::new(StoreBackend::exclusive(MemoryStore::default())), ())
}

pub(crate) async fn sqlite_store() -> (Subject, Directory) {
    let (store, directory) = sqlite().await;
    (Arc::new(StoreBackend::new(store)), directory)
}

pub(crate) async fn sqlite() -> (SqliteStore, Directory) {
    let (pool, directory) = sqlite_pool().await;
    (SqliteStore::new(pool), directory)
}

/// With the table of a store.
pub(crate) async fn sqlite_pool() -> (SqlitePool, Directory) {
    let directory = Directory::new();
    let options = SqliteConnectOptions::new()
        .filename(directory.0.join("sessions"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    SqliteStore::new(pool.clone()).migrate().await.unwrap();
    (pool, directory)
}

pub(crate) async fn postgres_store() -> (Subject, ()) {
    (Arc::new(StoreBackend::new(postgres_server::store().await)), ())
}

pub(crate) async fn postgres() -> (Subject, ()) {
    let backend = PostgresBackend::new(postgres_server::pool().await);
    backend.migrate().await.unwrap();
    (Arc::new(backend), ())
}

/// As behind `PgBouncer` in transaction mode.
pub(crate) async fn postgres_that_is_polled() -> (Subject, ()) {
    let builder = PostgresBackend::builder(postgres_server::pool().await).with_schema("polled");
    let backend = builder.with_polling(Duration::from_millis(20)).build().unwrap();
    backend.migrate().await.unwrap();
    (Arc::new(backend), ())
}

pub(crate) async fn redis_store() -> (Subject, RedisServer) {
    let server = RedisServer::start().await;
    let pool = Pool::new(Config::from_url(&server.url()).unwrap(), None, None, None, 2).unwrap();
    pool.init().await.unwrap();
    (Arc::new(StoreBackend::new(RedisStore::new(pool))), server)
}

pub(crate) async fn redis() -> (Subject, RedisServer) {
    let server = RedisServer::start().await;
    (Arc::new(RedisBackend::connect(server.url()).await.unwrap()), server)
}

pub(crate) async fn redis_with_read_cache() -> (Subject, RedisServer) {
    let server = RedisServer::start().await;
    let backend = RedisBackend::connect(server.url()).await.unwrap();
    (Arc::new(backend.with_read_cache(1000).unwrap()), server)
}

pub(crate) async fn redis_cluster() -> (Subject, RedisServer) {
    let server = RedisServer::start_cluster().await;
    (Arc::new(RedisBackend::connect_cluster([server.url()]).await.unwrap()), server)
}

/// Of this target's own; removed at the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sqlite-{}-{number}", std::process::id());
        let directory = Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        std::fs::create_dir_all(&directory.0).unwrap();
        directory
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
