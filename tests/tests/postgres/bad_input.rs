//! A pool, a server and tables that are not as they should be: each a clear error.

use std::{error::Error as StdError, fmt::Write as _, time::Duration};

use socketioxide_session::{
    PostgresBackend,
    backend::{Backend, Keys, Load, SessionId},
};
use socketioxide_session_tests::{postgres_server, records::create};
use tower_sessions_sqlx_store::sqlx::{
    self,
    postgres::{PgPool, PgPoolOptions},
};

fn backend(pool: PgPool, schema: &str) -> PostgresBackend {
    let builder = PostgresBackend::builder(pool).with_schema(schema).with_timeout(Duration::from_millis(800));
    builder.build().unwrap()
}

/// The error of a write and its reasons.
async fn reason(backend: &PostgresBackend) -> String {
    let id = SessionId::random();
    let error = backend.commit(create(id, vec![])).await.unwrap_err();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error}").unwrap();
        source = error.source();
    }
    assert!(!text.contains(&id.expose().to_string()));
    text
}

#[tokio::test]
async fn tables_that_are_not_there_or_of_another_version() {
    let pool = postgres_server::pool().await;
    let new = backend(pool.clone(), "bad_version");
    assert!(reason(&new).await.contains("migrate()"), "{}", reason(&new).await);
    new.migrate().await.unwrap();
    new.migrate().await.unwrap();
    new.commit(create(SessionId::random(), vec![])).await.unwrap();
    for (version, word) in [(99, "newer"), (0, "older")] {
        let set = format!("UPDATE bad_version.version SET version = {version}");
        sqlx::query(&set).execute(&pool).await.unwrap();
        let other = backend(pool.clone(), "bad_version");
        assert!(reason(&other).await.contains(word), "{}", reason(&other).await);
        assert!(other.migrate().await.is_err());
    }
}

#[tokio::test]
async fn a_pool_that_is_exhausted_closed_or_read_only() {
    let pool = postgres_server::pool().await;
    let options = (*pool.connect_options()).clone();
    backend(pool.clone(), "bad_pool").migrate().await.unwrap();
    let small = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(100));
    let small = small.connect_with(options.clone()).await.unwrap();
    let exhausted = backend(small.clone(), "bad_pool");
    let taken = small.acquire().await.unwrap();
    assert!(reason(&exhausted).await.contains("max_connections"), "{}", reason(&exhausted).await);
    drop(taken);
    assert!(exhausted.load(SessionId::random(), Load::read(Keys::All)).await.unwrap().is_none());
    small.close().await;
    assert!(reason(&exhausted).await.contains("closed"), "{}", reason(&exhausted).await);
    let read_only = options.options([("default_transaction_read_only", "on")]);
    let read_only = backend(PgPool::connect_with(read_only).await.unwrap(), "bad_pool");
    assert!(reason(&read_only).await.contains("read-only"), "{}", reason(&read_only).await);
}

#[tokio::test]
async fn a_schema_is_a_plain_name() {
    let pool = postgres_server::pool().await;
    for name in ["", "a b", "\"", "Shop", "1a", "pg_mine", "drop;--", &"a".repeat(41)] {
        assert!(PostgresBackend::builder(pool.clone()).with_schema(name).build().is_err(), "{name}");
    }
}
