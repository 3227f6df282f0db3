//! A store to which nobody else writes: what was loaded or saved once is not loaded again, and is what the store has.
//!
//! Clauses: 6, 7, 11.

use std::collections::BTreeMap;

use serde_json::json;
use socketioxide_session::{
    Backend, StoreBackend,
    backend::{Action, BackendError, Change, Expires, Lease, Loaded, SessionId},
};
use socketioxide_session_tests::{
    random::Random,
    records::{SECOND, attributes, begin, commit, load, milliseconds, set, take, update, value},
    stores::{Step, TestStore},
};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

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
async fn a_session_is_loaded_once() {
    let store = TestStore::default();
    for (backend, loads) in
        [(StoreBackend::exclusive(store.clone()), 1), (StoreBackend::new(store.clone()), 5)]
    {
        let id = session(&backend).await;
        let before = (store.loads(), store.writes());
        assert_eq!(stored(&backend, id).await, [Some(json!(1)), Some(json!(1))]);
        take_a(&backend, id).await;
        write(&backend, id, "a", 2).await;
        take_a(&backend, id).await;
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
    gate.reached().await;
    // The store gives what was there before the commit.
    take_a(&backend, id).await;
    store.recover();
    gate.open_for_all();
    committing.await.unwrap();
    assert_eq!(stored(&backend, id).await, [Some(json!(1)), Some(json!(2))]);
    write(&backend, id, "a", 2).await;
    assert_eq!(stored(&backend, id).await, [Some(json!(2)), Some(json!(2))]);
}

#[tokio::test]
async fn a_load_that_a_commit_overtakes_keeps_nothing() {
    let store = TestStore::default();
    let backend = StoreBackend::exclusive(store.clone());
    let id = session(&backend).await;
    let gate = store.hold(Step::HasLoaded);
    let loading = {
        let backend = backend.clone();
        tokio::spawn(async move { stored(&backend, id).await })
    };
    gate.reached().await;
    store.recover();
    write(&backend, id, "a", 2).await;
    gate.open_for_all();
    loading.await.unwrap();
    assert_eq!(stored(&backend, id).await, [Some(json!(2)), Some(json!(1))]);
}

#[tokio::test]
async fn after_a_write_that_failed_the_store_is_asked() {
    let store = TestStore::default();
    let backend = StoreBackend::exclusive(store.clone());
    let id = session(&backend).await;
    for (number, lost) in [(2, false), (3, true), (4, false)] {
        take_a(&backend, id).await;
        if lost {
            store.lose_answer_once(Step::Write);
        } else {
            store.fail_once(Step::Write);
        }
        let failed = backend.commit(update(id, Lease::default(), vec![set("a", number)])).await;
        assert!(matches!(failed, Err(BackendError::OutcomeUnknown(_))), "{failed:?}");
        let is = if number < 3 { 1 } else { 3 };
        assert_eq!(stored(&backend, id).await, [Some(json!(is)), Some(json!(1))]);
    }
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

/// Some stores drop a session by themselves, a moment before.
#[tokio::test]
async fn a_session_that_is_about_to_expire_is_asked_for() {
    let store = TestStore::default();
    let backend = StoreBackend::exclusive(store.clone());
    let id = session(&backend).await;
    let mut renewed = update(id, Lease::default(), vec![]);
    let expires = OffsetDateTime::now_utc() + SECOND;
    renewed.expires = Some(Expires::reckoned(expires, &attributes("k")));
    backend.commit(renewed).await.unwrap();
    let before = store.loads();
    for _ in 0..3 {
        assert_eq!(value(&backend, id, "a").await, Some(json!(1)));
    }
    assert_eq!(store.loads() - before, 3);
}

#[tokio::test]
async fn of_many_sessions_not_all_are_kept() {
    let store = TestStore::default();
    let backend = StoreBackend::exclusive(store.clone());
    let mut ids = Vec::new();
    for number in 0..3_000 {
        ids.push(begin(&backend, vec![set("a", number)]).await);
    }
    for _ in 0..2 {
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(value(&backend, *id, "a").await, Some(json!(number)));
        }
    }
    assert!(store.loads() > 4_000, "{}", store.loads());
}

/// Loads, writes and ends of three sessions at once, on a store that is slow, fails and loses answers: at the end what is
/// kept is what is stored, and all of it that was acknowledged.
#[tokio::test(start_paused = true)]
async fn what_is_kept_is_what_is_stored() {
    for seed in 1..=300_u64 {
        let mut random = Random::of(seed);
        let store = TestStore::default();
        let backend = StoreBackend::exclusive(store.clone());
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(session(&backend).await);
        }
        let mut calls = JoinSet::new();
        for number in 0..40 {
            let (backend, store, id) = (backend.clone(), store.clone(), random.one_of(&ids));
            let (begins, what, trouble) = (random.below(40), random.below(12), random.below(8));
            let step = random.one_of(&[Step::Load, Step::HasLoaded, Step::Write]);
            let pause = milliseconds(random.below(9));
            calls.spawn(async move {
                sleep(milliseconds(begins)).await;
                match trouble {
                    0 => store.fail_once(step),
                    1 => store.lose_answer_once(Step::Write),
                    2..=5 => store.slow(step, pause),
                    _ => {}
                }
                match what {
                    0..=4 => drop(load(&backend, id).await),
                    // Whoever loads may go.
                    5 | 6 => drop(timeout(milliseconds(3), load(&backend, id)).await),
                    11 if number % 3 == 0 => drop(backend.commit(commit(id, Action::End, vec![])).await),
                    _ => {
                        let key = format!("written by {number}");
                        let changes = vec![(key.clone().into(), Change::Set(json!(1)))];
                        let written = backend.commit(update(id, Lease::default(), changes)).await;
                        return written.is_ok().then_some((id, key));
                    }
                }
                None
            });
        }
        let written: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
        store.recover();
        for id in ids {
            let all = async |backend: &dyn Backend| {
                let loaded = load(backend, id).await.unwrap()?;
                let values = loaded.values.iter().map(|(key, value)| (key.to_string(), value.json().clone()));
                Some(values.collect::<BTreeMap<_, _>>())
            };
            let Some(kept) = all(&backend).await else { continue };
            assert_eq!(Some(&kept), all(&StoreBackend::new(store.clone())).await.as_ref(), "seed {seed}");
            for (_, key) in written.iter().filter(|(of, _)| *of == id) {
                assert!(kept.contains_key(key), "{key} was acknowledged, seed {seed}");
            }
        }
    }
}
