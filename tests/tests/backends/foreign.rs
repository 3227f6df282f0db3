//! What a store gives that this crate did not write: records of tower-sessions' own layer, and records of somebody else.
//!
//! Clauses: 11.

use std::{collections::HashMap, future::IntoFuture, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request, header},
    routing::get,
};
use futures_util::future::join_all;
use serde_json::json;
use socketioxide_session::{
    Backend, Expiry, MemoryBackend, Session, SessionLayer, StoreBackend,
    backend::{Action, BackendError, SessionId},
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::site::parts,
    records::{self, begin, commit, load, set},
    stores::{Step, TestStore, id},
};
use time::OffsetDateTime;
use tokio::{sync::Barrier, time::Instant};
use tower::ServiceExt;
use tower_sessions::{
    MemoryStore, SessionManagerLayer, SessionStore,
    session::{Id, Record},
    session_store,
};

use crate::subjects;

/// A visitor of an application under tower-sessions' own layer; the cookie.
async fn visitor_of_tower_sessions(store: impl SessionStore + Clone) -> String {
    let write = get(async |session: Session| {
        session
            .insert("user", json!({ "name": "Ada", "visits": 7 }))
            .await
            .expect("a session that is written");
    });
    let layer = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(time::Duration::days(30)));
    let app = Router::new().route("/write", write).layer(layer);
    let answer = app.oneshot(Request::get("/write").body(Body::empty()).unwrap()).await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn created(backend: &dyn Backend, id: SessionId) -> OffsetDateTime {
    load(backend, id).await.unwrap().expect("the session that tower-sessions wrote").attributes.created
}

/// A session of tower-sessions begins for this crate at its first load, once and for all: for those that read it at one
/// moment, for those that read it later, and for those that come after a restart.
async fn begins_once<S: SessionStore + Clone>(store: S) {
    let session = SessionId::from(id(&visitor_of_tower_sessions(store.clone()).await));
    let before = OffsetDateTime::now_utc();
    let backend = Arc::new(StoreBackend::new(store.clone()));
    let together = Arc::new(Barrier::new(8));
    let readers = (0..8).map(|_| {
        let (backend, together) = (Arc::clone(&backend), Arc::clone(&together));
        tokio::spawn(async move {
            together.wait().await;
            created(&*backend, session).await
        })
    });
    let mut seen: Vec<_> = join_all(readers).await.into_iter().map(Result::unwrap).collect();
    let after = OffsetDateTime::now_utc();
    tokio::time::sleep(Duration::from_millis(20)).await;
    seen.push(created(&*backend, session).await);
    seen.push(created(&StoreBackend::new(store), session).await);
    assert!(seen.iter().all(|created| *created == seen[0]), "{seen:?}");
    // The crate's clock is exact to a millisecond.
    let exact = time::Duration::milliseconds(2);
    assert!(before - exact <= seen[0] && seen[0] <= after + exact, "{before} {} {after}", seen[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tower_sessions_wrote_in_memory_begins_once() {
    begins_once(MemoryStore::default()).await;
    begins_once(TestStore::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tower_sessions_wrote_to_a_file_begins_once() {
    let (store, _directory) = subjects::sqlite().await;
    begins_once(store).await;
}

#[tokio::test(start_paused = true)]
async fn what_tower_sessions_wrote_comes_to_its_absolute_timeout_though_it_is_only_read() {
    comes_to_its_end(MemoryStore::default()).await;
    comes_to_its_end(TestStore::default()).await;
}

/// An hour at a time, so that inactivity ends nothing.
async fn comes_to_its_end<S: SessionStore + Clone>(store: S) {
    let cookie = visitor_of_tower_sessions(store.clone()).await;
    let layer = sessions(StoreBackend::new(store))
        .with_expiry(Expiry::OnInactivity(time::Duration::hours(2)))
        .with_absolute_timeout(Duration::from_hours(8));
    let app = App::new(parts(layer).router);
    let mut hours = 0;
    while client::get(&app, "/who", Some(&cookie)).await.json() == "Ada" {
        assert!(hours < 24, "it never ends");
        tokio::time::sleep(Duration::from_hours(1)).await;
        hours += 1;
    }
    // It began when it was first read, a moment before the first of the hours, or after.
    assert!((8..=9).contains(&hours), "{hours} hours");
}

/// The same where nobody reads, and a socket listens; and where the record is our own, of a release that had no absolute
/// timeout.
#[tokio::test(start_paused = true)]
async fn its_sockets_end_with_it() {
    let (theirs, ours) = (TestStore::default(), MemoryBackend::default());
    let cookie = visitor_of_tower_sessions(theirs.clone()).await;
    let bounded =
        |layer: SessionLayer| App::new(parts(layer.with_absolute_timeout(Duration::from_hours(8))).router);
    ends_after_eight_hours(&bounded(sessions(StoreBackend::new(theirs))), &cookie).await;

    let before = App::new(parts(sessions(ours.clone())).router);
    let cookie = client::get(&before, "/login", None).await.new_cookie();
    ends_after_eight_hours(&bounded(sessions(ours)), &cookie).await;
}

async fn ends_after_eight_hours(app: &App, cookie: &str) {
    let (eight, begun) = (Duration::from_hours(8), Instant::now());
    let mut socket = Socket::connect(app, Some(cookie)).await;
    assert_eq!(socket.ask("who", &[]).await, "Ada");
    assert!(!socket.listen(Duration::from_hours(24)).await, "it never ends");
    let took = begun.elapsed();
    let soonest = Duration::from_secs(8 * 3600 - 1);
    assert!(took >= soonest && took <= eight + Duration::from_secs(3), "{took:?}");
    assert_eq!(client::get(app, "/who", Some(cookie)).await.json(), json!(null));
}

/// A store that cannot be written, as a replica: it is read all the same, and what it holds began at its first load.
#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_written_can_be_read() {
    let store = TestStore::default();
    let cookie = visitor_of_tower_sessions(store.clone()).await;
    let session = SessionId::from(id(&cookie));
    store.break_down(Step::Write);
    let backend = StoreBackend::new(store.clone());
    let first = created(&backend, session).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(created(&backend, session).await, first);
    // Once it can be written, that is what is written.
    store.recover();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(created(&backend, session).await, first);
    assert_eq!(created(&StoreBackend::new(store.clone()), session).await, first);
    assert_eq!(store.writes(), 2, "tower-sessions' write, and one of the first load that could");
}

/// A store that takes no write, and does not say so: it is read all the same, and what began at the first load, began then.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_as_it_is_written_can_be_read() {
    let store = TestStore::default();
    let cookie = visitor_of_tower_sessions(store.clone()).await;
    let session = SessionId::from(id(&cookie));
    let gate = store.hold(Step::Write);
    let backend = StoreBackend::new(store.clone());
    let first = created(&backend, session).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(created(&backend, session).await, first);
    }
    let app = App::new(parts(sessions(backend.clone())).router);
    assert_eq!(client::get(&app, "/who", Some(&cookie)).await.json(), "Ada");
    // What it was asked to write may still arrive, so nothing else is written.
    let begun = Instant::now();
    assert_eq!(client::get(&app, "/visit", Some(&cookie)).await.status, 503);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    gate.open_for_all();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(created(&backend, session).await, first);
    assert_eq!(created(&StoreBackend::new(store.clone()), session).await, first);
    assert_eq!(client::get(&app, "/visit", Some(&cookie)).await.json(), 8);

    // A logout beside such a write.
    let cookie = visitor_of_tower_sessions(store.clone()).await;
    let gate = store.hold(Step::Write);
    assert_eq!(client::get(&app, "/who", Some(&cookie)).await.json(), "Ada");
    client::get(&app, "/logout", Some(&cookie)).await.ok();
    gate.open_for_all();
    for _ in 0..10 {
        assert_eq!(client::get(&app, "/who", Some(&cookie)).await.json(), json!(null));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!store.has(&cookie));
}

/// A first load that writes while the session ends does not bring it back.
#[tokio::test(start_paused = true)]
async fn a_first_load_beside_a_logout_brings_nothing_back() {
    let store = TestStore::default();
    let session = SessionId::from(id(&visitor_of_tower_sessions(store.clone()).await));
    let backend = StoreBackend::new(store.clone());
    let gate = store.hold(Step::Write);
    let reader = tokio::spawn({
        let backend = backend.clone();
        async move { load(&backend, session).await }
    });
    gate.reached().await;
    let logout = tokio::spawn(backend.commit(commit(session, Action::End, vec![])).into_future());
    // Time enough to overtake the reader.
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.open();
    reader.await.unwrap().unwrap();
    logout.await.unwrap().unwrap();
    assert!(store.is_empty());
}

/// Gives everybody the record of one session, as a store with a broken cache does.
#[derive(Clone, Debug)]
struct OneRecord {
    store: TestStore,
    record: Record,
}

#[async_trait]
impl SessionStore for OneRecord {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.store.create(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.store.save(record).await
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        Ok(Some(self.record.clone()))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.store.delete(id).await
    }
}

#[tokio::test]
async fn the_record_of_another_session_is_refused() {
    let store = TestStore::default();
    let asked = begin(&StoreBackend::new(store.clone()), vec![set("user", 1)]).await;
    let data = HashMap::from([("user".to_owned(), json!({ "name": "Eve" }))]);
    let others = Record { id: Id::default(), data, expiry_date: records::in_an_hour() };
    let backend = StoreBackend::new(OneRecord { store: store.clone(), record: others });
    let writes = store.writes();
    let is_refused = |error: BackendError| match error {
        BackendError::Failed(source) => assert!(source.to_string().contains("another session"), "{source}"),
        other => panic!("{other:?}"),
    };
    is_refused(load(&backend, asked).await.unwrap_err());
    for action in [Action::Update, Action::ChangeId(SessionId::random()), Action::End] {
        is_refused(backend.commit(commit(asked, action, vec![set("user", 2)])).await.unwrap_err());
    }
    assert_eq!((store.writes(), store.len()), (writes, 1), "nothing was written, nothing removed");
    assert_eq!(store.stored(&format!("id={}", store.ids()[0]), "user"), 1);

    // As a visitor hears of it.
    let app = App::new(parts(sessions(backend)).router);
    let cookie = format!("id={}", Id::default());
    for path in ["/who", "/visit", "/plain/who"] {
        let answer = client::get(&app, path, Some(&cookie)).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
        assert!(
            answer.status >= 500 && !answer.body.contains("Eve"),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    assert_eq!(store.writes(), writes);
}
