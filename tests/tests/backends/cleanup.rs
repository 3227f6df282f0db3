//! Stores that keep what has expired are cleaned, where they can be.
//!
//! Clauses: 11, 13.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use socketioxide_session::{
    Backend, Expiry, SessionLayer, StoreBackend,
    backend::{Expires, SessionId},
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client,
    fixture::site::parts,
    gate::Gate,
    log::Log,
    postgres_server,
    records::{attributes, create_with, load},
    soon,
    stores::TestStore,
};
use time::OffsetDateTime;
use tokio::time::sleep;
use tower_sessions::{
    ExpiredDeletion, SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore, sqlx};
use tracing::Level;

use crate::subjects;

const SECOND: Duration = Duration::from_secs(1);

/// Fifty handshakes are fifty records, which go soon after they have expired; those that live stay.
async fn fifty_handshakes_leave_nothing<R: Future<Output = i64>>(layer: SessionLayer, rows: impl Fn() -> R) {
    let lasting = App::new(parts(layer.clone()).router);
    let cookie = client::get(&lasting, "/visit", None).await.new_cookie();
    let begun = rows().await;
    let layer = layer.with_expiry(Expiry::OnInactivity(time::Duration::seconds(2)));
    let app = App::new(parts(layer).router);
    for _ in 0..50 {
        client::poll(&app, None).await.ok();
    }
    assert!(rows().await >= begun + 50, "fifty records");
    soon("the end of fifty records", async {
        while rows().await > begun {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(client::get(&lasting, "/visit", Some(&cookie)).await.json(), 2);
}

#[tokio::test]
async fn in_sqlite() {
    let (pool, _directory) = subjects::sqlite_pool().await;
    let layer = sessions(StoreBackend::new(SqliteStore::new(pool.clone())).with_cleanup(SECOND));
    let rows = async || {
        let rows = sqlx::query_scalar("select count(*) from tower_sessions").fetch_one(&pool).await;
        rows.unwrap()
    };
    fifty_handshakes_leave_nothing(layer, rows).await;
}

/// The table is shared with the other tests: only the records of this one's sessions are counted.
#[tokio::test]
async fn in_postgres() {
    let pool = postgres_server::pool().await;
    let backend = StoreBackend::new(PostgresStore::new(pool.clone())).with_cleanup(SECOND);
    let ids: Vec<_> = (0..50).map(|_| SessionId::random()).collect();
    for id in &ids {
        let attributes = attributes("k");
        let mut create = create_with(*id, attributes.clone(), vec![]);
        create.expires = Some(Expires::reckoned(OffsetDateTime::now_utc() + 2 * SECOND, &attributes));
        backend.commit(create).await.unwrap();
    }
    let names: Vec<_> = ids.iter().map(|id| id.expose().to_string()).collect();
    let rows = async || {
        let rows = sqlx::query_scalar("select count(*) from tower_sessions.session where id = any($1)");
        let rows: i64 = rows.bind(&names).fetch_one(&pool).await.unwrap();
        rows
    };
    assert_eq!(rows().await, 50);
    soon("the end of fifty records", async {
        while rows().await > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Counts the deletions; they fail, or hang, as they are told.
#[derive(Clone, Debug, Default)]
struct Cleaned {
    store: TestStore,
    gate: Gate,
}

#[async_trait]
impl SessionStore for Cleaned {
    async fn save(&self, record: &Record) -> Result<()> {
        self.store.save(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        self.store.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.store.delete(id).await
    }
}

#[async_trait]
impl ExpiredDeletion for Cleaned {
    async fn delete_expired(&self) -> Result<()> {
        self.gate.pass().await;
        Err(Error::Backend("broken, as the test wants".to_owned()))
    }
}

/// Every interval, from the first call on, whether or not it fails or ends; and not when the backend is gone.
#[tokio::test(start_paused = true)]
async fn a_cleanup_that_fails_or_hangs_is_tried_again_until_the_backend_is_gone() {
    let (log, _logging) = Log::begin(Level::WARN);
    let store = Cleaned::default();
    let backend = Arc::new(StoreBackend::new(store.clone()).with_cleanup(10 * SECOND));
    sleep(60 * SECOND).await;
    assert!(!store.gate.is_reached(), "nobody has asked for a session yet");
    for _ in 0..3 {
        load(&*backend, SessionId::random()).await.unwrap();
    }
    // It hangs for a minute, and is given up.
    store.gate.reached().await;
    sleep(59 * SECOND).await;
    assert!(!store.gate.is_reached());
    sleep(12 * SECOND).await;
    store.gate.reached().await;
    // From now on it fails at once.
    store.gate.open_for_all();
    for _ in 0..5 {
        sleep(10 * SECOND).await;
        store.gate.reached().await;
    }
    assert!(log.lines("could not be deleted") >= 6, "{}", log.text());
    assert!(!store.gate.is_reached(), "there is one task");
    drop(backend);
    sleep(60 * SECOND).await;
    assert!(!store.gate.is_reached(), "it ends with the backend");
}
