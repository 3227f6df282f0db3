//! A pool, a server and tables that are not as they should be: each a clear error.

use std::{error::Error as StdError, fmt::Write as _, time::Duration};

use socketioxide_session::{
    PostgresBackend,
    backend::{Backend, BackendError, Keys, Lease, Load, SessionId},
};
use socketioxide_session_tests::{
    postgres_server::{self, PostgresServer},
    records::{begin, create, set, take, update, value},
};
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
    let text = text(&backend.commit(create(id, vec![])).await.unwrap_err());
    assert!(!text.contains(&id.expose().to_string()));
    text
}

/// An error and its reasons.
fn text(error: &BackendError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error}").unwrap();
        source = error.source();
    }
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

#[tokio::test]
async fn tables_and_functions_that_somebody_removed() {
    let pool = postgres_server::pool().await;
    for (number, object) in
        ["TABLE {}.values", "FUNCTION {}.take", "TABLE {}.waiters"].into_iter().enumerate()
    {
        let schema = format!("bad_object_{number}");
        let damaged = backend(pool.clone(), &schema);
        damaged.migrate().await.unwrap();
        let id = begin(&damaged, vec![set("a", 1)]).await;
        sqlx::query(&format!("DROP {}", object.replace("{}", &schema))).execute(&pool).await.unwrap();
        let errors = [
            take(&damaged, id, &["a"], Duration::from_millis(800)).await.map(drop),
            damaged.commit(update(id, Lease::default(), vec![set("a", 2)])).await,
            damaged.load(id, Load::read(Keys::All)).await.map(drop),
        ];
        let errors: Vec<_> = errors.iter().filter_map(|done| done.as_ref().err()).map(text).collect();
        assert!(
            !errors.is_empty() && errors.iter().all(|error| error.contains("migrate()")),
            "{object}: {errors:?}"
        );
        let again = text(&damaged.migrate().await.unwrap_err());
        let name = object.rsplit('.').next().unwrap();
        assert!(again.contains(&format!("`{name}`")), "{again}");
    }
}

/// Reads work on a replica, and writes say what is wrong.
#[tokio::test]
async fn a_replica() {
    let primary = PostgresServer::start_with(&["fsync=off"]).await;
    let there = PostgresBackend::new(primary.pool().await);
    there.migrate().await.unwrap();
    let id = begin(&there, vec![set("a", 1)]).await;
    let replica = primary.start_standby().await;
    let here =
        PostgresBackend::builder(replica.pool().await).with_timeout(Duration::from_secs(3)).build().unwrap();
    assert_eq!(value(&here, id, "a").await, Some(1.into()));
    assert!(reason(&here).await.contains("read-only"), "{}", reason(&here).await);
    let errors = [
        take(&here, id, &["a"], Duration::from_secs(1)).await.map(drop).unwrap_err(),
        here.commit(update(id, Lease::default(), vec![set("a", 2)])).await.unwrap_err(),
        here.migrate().await.err().unwrap_or(BackendError::Gone),
    ];
    assert!(errors[..2].iter().map(text).all(|error| error.contains("read-only")), "{errors:?}");
    assert_eq!(value(&there, id, "a").await, Some(1.into()));
}

/// Who may not use the schema, and a server that is not there.
#[tokio::test]
async fn a_role_without_rights_and_a_server_that_is_away() {
    let mut server = PostgresServer::start_with(&["fsync=off"]).await;
    let pool = server.pool().await;
    backend(pool.clone(), "bad_role").migrate().await.unwrap();
    sqlx::query("CREATE ROLE guest LOGIN").execute(&pool).await.unwrap();
    let guest = PgPool::connect_with(server.options().username("guest")).await.unwrap();
    let guest = backend(guest, "bad_role");
    assert!(reason(&guest).await.contains("USAGE"), "{}", reason(&guest).await);
    let node = backend(pool, "bad_role");
    let id = begin(&node, vec![set("a", 1)]).await;
    server.kill();
    for _ in 0..2 {
        let error = text(&node.load(id, Load::read(Keys::All)).await.unwrap_err());
        assert!(error.contains("cannot be reached"), "{error}");
    }
    server.run().await;
    assert_eq!(value(&node, id, "a").await, Some(1.into()));
}

/// Where roles may make no schemas, somebody else made it for them.
#[tokio::test]
async fn a_schema_that_is_there_needs_no_right_to_make_one() {
    let server = PostgresServer::start_with(&["fsync=off"]).await;
    let pool = server.pool().await;
    for make in ["CREATE ROLE tenant LOGIN", "CREATE SCHEMA for_tenant AUTHORIZATION tenant"] {
        sqlx::query(make).execute(&pool).await.unwrap();
    }
    let tenant = PgPool::connect_with(server.options().username("tenant")).await.unwrap();
    let own = backend(tenant.clone(), "for_tenant");
    own.migrate().await.unwrap();
    let id = begin(&own, vec![set("a", 1)]).await;
    assert_eq!(value(&own, id, "a").await, Some(1.into()));
    let error = text(&backend(tenant, "not_there").migrate().await.unwrap_err());
    assert!(error.contains("CREATE"), "{error}");
}
