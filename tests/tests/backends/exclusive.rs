//! A store to which nobody else writes: what a call has loaded its commit does not load again, and loses nothing of what
//! other calls committed in between.
//!
//! Clauses: 7, 11.

use serde_json::json;
use socketioxide_session::{
    Backend, StoreBackend,
    backend::{Action, BackendError, Lease, Loaded, SessionId},
};
use socketioxide_session_tests::{
    records::{SECOND, begin, commit, load, set, take, update, value},
    stores::{Step, TestStore},
};
use tokio::task::yield_now;

/// A session with the values `a` and `b`, both 1.
async fn session(backend: &dyn Backend) -> SessionId {
    begin(backend, vec![set("a", 1), set("b", 1)]).await
}

async fn take_a(backend: &dyn Backend, id: SessionId) -> Loaded {
    take(backend, id, &["a"], SECOND).await.unwrap().unwrap()
}

async fn write(backend: &dyn Backend, id: SessionId, key: &'static str, number: u64) {
    backend.commit(update(id, Lease::default(), vec![set(key, number)])).await.unwrap();
}

/// Both values, as they are stored now.
async fn stored(backend: &dyn Backend, id: SessionId) -> [Option<serde_json::Value>; 2] {
    [value(backend, id, "a").await, value(backend, id, "b").await]
}

#[tokio::test]
async fn a_write_is_one_load_and_one_save() {
    let store = TestStore::default();
    for (backend, loads) in
        [(StoreBackend::exclusive(store.clone()), 1), (StoreBackend::new(store.clone()), 2)]
    {
        let id = session(&backend).await;
        let before = (store.loads(), store.writes());
        take_a(&backend, id).await;
        write(&backend, id, "a", 2).await;
        assert_eq!((store.loads() - before.0, store.writes() - before.1), (loads, 1));
        assert_eq!(stored(&backend, id).await, [Some(json!(2)), Some(json!(1))]);
    }
}

#[tokio::test]
async fn what_others_committed_since_it_was_loaded_stays() {
    let backend = StoreBackend::exclusive(TestStore::default());
    let id = session(&backend).await;
    take_a(&backend, id).await;
    take(&backend, id, &["b"], SECOND).await.unwrap().unwrap();
    for (key, number) in [("b", 2), ("a", 2), ("b", 3), ("a", 3)] {
        write(&backend, id, key, number).await;
    }
    assert_eq!(stored(&backend, id).await, [Some(json!(3)), Some(json!(3))]);
}

#[tokio::test]
async fn what_is_loaded_beside_a_commit_is_not_kept() {
    let store = TestStore::default();
    let backend = StoreBackend::exclusive(store.clone());
    let id = session(&backend).await;
    let gate = store.hold(Step::Write);
    let committing = {
        let backend = backend.clone();
        tokio::spawn(async move { write(&backend, id, "b", 2).await })
    };
    while !gate.is_reached() {
        yield_now().await;
    }
    // The store gives what was there before the commit.
    take_a(&backend, id).await;
    store.recover();
    gate.open_for_all();
    committing.await.unwrap();
    write(&backend, id, "a", 2).await;
    assert_eq!(stored(&backend, id).await, [Some(json!(2)), Some(json!(2))]);
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_brought_back() {
    let backend = StoreBackend::exclusive(TestStore::default());
    let id = session(&backend).await;
    take_a(&backend, id).await;
    backend.commit(commit(id, Action::End, vec![])).await.unwrap();
    let late = backend.commit(update(id, Lease::default(), vec![set("a", 2)])).await;
    assert!(matches!(late, Err(BackendError::Gone)), "{late:?}");
    assert!(load(&backend, id).await.unwrap().is_none());
}
