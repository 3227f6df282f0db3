//! What every backend must do, tried on each of them.
//!
//! Clauses: 5, 7, 10, 11, 14.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod leases;
mod subjects;

use std::sync::Arc;

use serde_json::json;
use socketioxide_session::{
    Expiry,
    backend::{Action, BackendError, Change, Keys, Lease, Load, SessionId},
};
use socketioxide_session_tests::records::{
    self, attributes, begin, commit, create, fields, in_an_hour, load, set, take, update, value,
};

use subjects::Subject;

/// Tries these functions on one backend, each of them a test.
macro_rules! tried_on {
    ($subject:ident: $($name:ident)*) => {
        mod $subject {
            $(#[tokio::test]
            async fn $name() {
                let (backend, _server) = crate::subjects::$subject().await;
                crate::$name(backend).await;
            })*
        }
    };
}

/// Tries these functions on every backend.
macro_rules! conformance {
    ($($name:ident)*) => {
        tried_on! { memory: $($name)* }
        tried_on! { memory_store: $($name)* }
        tried_on! { sqlite_store: $($name)* }
        tried_on! { postgres_store: $($name)* }
        tried_on! { redis_store: $($name)* }
        tried_on! { redis: $($name)* }
        tried_on! { redis_with_read_cache: $($name)* }
        tried_on! { redis_cluster: $($name)* }
    };
}

conformance! {
    what_is_created_is_loaded
    only_what_is_asked_for_is_loaded
    nothing_is_where_nothing_was_created
    a_commit_changes_only_what_it_names
    fields_begin_where_nothing_is_stored
    fields_of_what_is_no_object_are_refused
    a_refused_commit_changes_nothing
    a_commit_does_not_bring_a_session_back
    an_end_is_no_fault_where_nothing_is
    a_changed_id_takes_everything_along
    meta_and_expiry_change
    an_expiry_that_was_set_meanwhile_holds
    an_expired_session_is_gone
    json_survives
    a_turn_is_taken_and_committed
    a_turn_is_given_back
    plain_writes_need_no_turn
    many_writers_lose_nothing
}

async fn what_is_created_is_loaded(backend: Subject) {
    let id = SessionId::random();
    let new = create(id, vec![set("a", json!({"n": 1})), set("b", "text")]);
    backend.commit(&new).await.unwrap();
    let loaded = load(&*backend, id).await.unwrap().unwrap();
    assert_eq!(loaded.attributes, attributes("k"));
    assert_eq!(Some(loaded.expires), new.expires);
    assert_eq!(loaded.values.len(), 2);
    assert_eq!(loaded.value("a").unwrap().json(), &json!({"n": 1}));
    assert_eq!(loaded.value("b").unwrap().json(), &json!("text"));
}

async fn only_what_is_asked_for_is_loaded(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1), set("b", 2)]).await;
    let loaded = backend.load(id, Load::read(Keys::Only(&["b", "c"]))).await.unwrap().unwrap();
    assert_eq!(loaded.values.len(), 1);
    assert_eq!(loaded.value("b").unwrap().json(), &json!(2));
    let none = backend.load(id, Load::read(Keys::Only(&[]))).await.unwrap().unwrap();
    assert!(none.values.is_empty());
}

async fn nothing_is_where_nothing_was_created(backend: Subject) {
    let id = SessionId::random();
    assert!(load(&*backend, id).await.unwrap().is_none());
    assert!(take(&*backend, id, &["a"], records::SECOND).await.unwrap().is_none());
    let refused = backend.commit(&commit(id, Action::Update, vec![set("a", 1)])).await;
    assert!(matches!(refused, Err(BackendError::Gone)));
}

async fn a_commit_changes_only_what_it_names(backend: Subject) {
    let id =
        begin(&*backend, vec![set("a", json!({"x": 1, "y": 2, "z": 3})), set("b", 2), set("c", 3)]).await;
    let changes = vec![
        fields("a", [("x", Some(json!(10))), ("y", None), ("w", Some(json!(null)))]),
        ("b".into(), Change::Remove),
        set("d", 4),
    ];
    backend.commit(&commit(id, Action::Update, changes)).await.unwrap();
    let loaded = load(&*backend, id).await.unwrap().unwrap();
    assert_eq!(loaded.value("a").unwrap().json(), &json!({"x": 10, "z": 3, "w": null}));
    assert!(loaded.value("b").is_none());
    assert_eq!(loaded.value("c").unwrap().json(), &json!(3));
    assert_eq!(loaded.value("d").unwrap().json(), &json!(4));
    assert_eq!(loaded.attributes, attributes("k"));
}

async fn fields_begin_where_nothing_is_stored(backend: Subject) {
    let id = begin(&*backend, vec![fields("a", [("n", Some(json!(1)))])]).await;
    backend.commit(&commit(id, Action::Update, vec![fields("b", [("n", Some(json!(2)))])])).await.unwrap();
    assert_eq!(value(&*backend, id, "a").await, Some(json!({"n": 1})));
    assert_eq!(value(&*backend, id, "b").await, Some(json!({"n": 2})));
}

async fn fields_of_what_is_no_object_are_refused(backend: Subject) {
    let id = begin(&*backend, vec![set("a", json!([1]))]).await;
    let refused =
        backend.commit(&commit(id, Action::Update, vec![fields("a", [("n", Some(json!(1)))])])).await;
    assert!(matches!(refused, Err(BackendError::NotAnObject(key)) if key == "a"));
    assert_eq!(value(&*backend, id, "a").await, Some(json!([1])));
}

async fn a_refused_commit_changes_nothing(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1), set("b", json!([1]))]).await;
    let changes = vec![set("a", 2), fields("b", [("n", Some(json!(1)))])];
    let mut change = commit(id, Action::Update, changes);
    change.attributes = Some(attributes("other"));
    assert!(backend.commit(&change).await.is_err());
    assert_eq!(value(&*backend, id, "a").await, Some(json!(1)));
    assert_eq!(load(&*backend, id).await.unwrap().unwrap().attributes, attributes("k"));
}

async fn a_commit_does_not_bring_a_session_back(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    let loaded = take(&*backend, id, &["a"], records::SECOND).await.unwrap().unwrap();
    backend.commit(&commit(id, Action::End, vec![])).await.unwrap();
    for lease in [loaded.lease, Lease::default()] {
        for action in [Action::Update, Action::ChangeId(SessionId::random())] {
            let mut late = commit(id, action, vec![set("a", 2)]);
            late.lease = lease;
            assert!(matches!(backend.commit(&late).await, Err(BackendError::Gone)));
        }
    }
    assert!(load(&*backend, id).await.unwrap().is_none());
}

async fn an_end_is_no_fault_where_nothing_is(backend: Subject) {
    backend.commit(&commit(SessionId::random(), Action::End, vec![])).await.unwrap();
}

async fn a_changed_id_takes_everything_along(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1), set("b", json!({"n": 1}))]).await;
    let before = load(&*backend, id).await.unwrap().unwrap();
    let new = SessionId::random();
    let loaded = take(&*backend, id, &["b"], records::SECOND).await.unwrap().unwrap();
    let mut change = commit(id, Action::ChangeId(new), vec![fields("b", [("n", Some(json!(2)))])]);
    change.lease = loaded.lease;
    backend.commit(&change).await.unwrap();
    assert!(load(&*backend, id).await.unwrap().is_none());
    let after = load(&*backend, new).await.unwrap().unwrap();
    assert_eq!((after.attributes, after.expires), (before.attributes, before.expires));
    assert_eq!(value(&*backend, new, "a").await, Some(json!(1)));
    assert_eq!(value(&*backend, new, "b").await, Some(json!({"n": 2})));
    let late = backend.commit(&commit(id, Action::Update, vec![set("a", 2)])).await;
    assert!(matches!(late, Err(BackendError::Gone)));
    // The turn did not stay behind.
    take(&*backend, new, &["b"], records::SECOND).await.unwrap().unwrap();
}

async fn meta_and_expiry_change(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    let later = in_an_hour() + records::SECOND;
    let mut change = commit(id, Action::Update, vec![]);
    change.attributes = Some(attributes("other"));
    change.expires = Some(later);
    backend.commit(&change).await.unwrap();
    let loaded = load(&*backend, id).await.unwrap().unwrap();
    assert_eq!((loaded.attributes, loaded.expires), (attributes("other"), later));
    assert_eq!(value(&*backend, id, "a").await, Some(json!(1)));
}

/// A commit that reckons from the expiry that the session had before says nothing of the one that it has now.
async fn an_expiry_that_was_set_meanwhile_holds(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    let (soon, later) = (in_an_hour(), in_an_hour() + records::SECOND * 60);
    let own = Expiry::OnInactivity(time::Duration::hours(1));
    let mut set_own = attributes("k");
    set_own.expiry = Some(own);
    let mut change = commit(id, Action::Update, vec![]);
    change.attributes = Some(set_own);
    change.expires = Some(soon);
    backend.commit(&change).await.unwrap();
    for (reckoned_from, expected) in
        [(None, soon), (Some(Expiry::OnInactivity(time::Duration::hours(2))), soon), (Some(own), later)]
    {
        let mut late = commit(id, Action::Update, vec![set("a", 2)]);
        (late.expires, late.expiry) = (Some(later), reckoned_from);
        backend.commit(&late).await.unwrap();
        let loaded = load(&*backend, id).await.unwrap().unwrap();
        assert_eq!((loaded.expires, loaded.attributes.expiry), (expected, Some(own)), "{reckoned_from:?}");
        assert_eq!(value(&*backend, id, "a").await, Some(json!(2)));
    }
}

async fn an_expired_session_is_gone(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    let soon = time::OffsetDateTime::now_utc() + records::milliseconds(50);
    let mut change = commit(id, Action::Update, vec![]);
    change.expires = Some(soon);
    backend.commit(&change).await.unwrap();
    tokio::time::sleep(records::milliseconds(100)).await;
    assert!(load(&*backend, id).await.unwrap().is_none());
    let late = backend.commit(&commit(id, Action::Update, vec![set("a", 2)])).await;
    assert!(matches!(late, Err(BackendError::Gone)));
}

async fn json_survives(backend: Subject) {
    let whole = json!({
        "big": u64::MAX, "small": i64::MIN, "half": 0.5, "none": null, "empty": [], "object": {},
        "text": "ä\u{0}\u{1f600}\"\\", "nested": [[], [{}], {"a": []}],
    });
    let id =
        begin(&*backend, vec![set("a", whole.clone()), set("key with {braces}: ä", whole.clone())]).await;
    backend.commit(&commit(id, Action::Update, vec![fields("a", [("new", Some(json!(1)))])])).await.unwrap();
    let mut expected = whole.clone();
    expected["new"] = json!(1);
    assert_eq!(value(&*backend, id, "a").await, Some(expected));
    assert_eq!(value(&*backend, id, "key with {braces}: ä").await, Some(whole));
}

async fn a_turn_is_taken_and_committed(backend: Subject) {
    let id = begin(&*backend, vec![set("a", json!({"n": 1})), set("b", 2)]).await;
    for n in 2..5 {
        let loaded = take(&*backend, id, &["a", "new"], records::SECOND).await.unwrap().unwrap();
        assert_eq!(loaded.values.len(), 1);
        let change = fields("a", [("n", Some(json!(n)))]);
        backend.commit(&update(id, loaded.lease, vec![change])).await.unwrap();
        assert_eq!(value(&*backend, id, "a").await, Some(json!({"n": n})));
    }
}

async fn a_turn_is_given_back(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    for _ in 0..3 {
        let loaded = take(&*backend, id, &["a"], records::SECOND).await.unwrap().unwrap();
        backend.release(id, loaded.lease).await;
    }
    // Giving back what nobody has is no fault.
    backend.release(id, Lease(42)).await;
    backend.release(SessionId::random(), Lease::default()).await;
}

async fn plain_writes_need_no_turn(backend: Subject) {
    let id = begin(&*backend, vec![set("a", json!({"n": 1, "mine": 1}))]).await;
    let loaded = take(&*backend, id, &["a"], records::SECOND).await.unwrap().unwrap();
    let plain = vec![set("a", json!({"n": 1, "plain": u64::MAX}))];
    backend.commit(&commit(id, Action::Update, plain)).await.unwrap();
    // Fields are changed in what is stored now.
    backend.commit(&update(id, loaded.lease, vec![fields("a", [("n", Some(json!(2)))])])).await.unwrap();
    assert_eq!(value(&*backend, id, "a").await, Some(json!({"n": 2, "plain": u64::MAX})));
}

async fn many_writers_lose_nothing(backend: Subject) {
    let id = begin(&*backend, vec![set("a", json!({}))]).await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..50 {
        let backend = Arc::clone(&backend);
        writers.spawn(async move {
            let name = format!("field {n}");
            let change = fields("a", [(&name, Some(json!(n)))]);
            backend.commit(&commit(id, Action::Update, vec![change])).await
        });
    }
    let mut refused = 0;
    while let Some(done) = writers.join_next().await {
        refused += usize::from(done.unwrap().is_err());
    }
    // Without a turn a backend may give up; it says so.
    let stored = value(&*backend, id, "a").await.unwrap();
    assert_eq!(stored.as_object().unwrap().len(), 50 - refused);
}
