//! What every backend must do, tried on each of them.
//!
//! Clauses: 5, 7, 10, 11, 14.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod cleanup;
mod exclusive;
mod foreign;
mod leases;
mod room;
mod subjects;

use std::sync::Arc;

use serde_json::json;
use socketioxide_session::{
    Expiry,
    backend::{
        Action, Attributes, BackendError, Change, Commit, Expires, Keys, Lease, Load, Loaded, SessionId,
    },
};
use socketioxide_session_tests::records::{
    self, attributes, begin, commit, create, create_with, fields, in_an_hour, load, set, take, update, value,
};

use time::OffsetDateTime;

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
        tried_on! { exclusive_store: $($name)* }
        tried_on! { sqlite_store: $($name)* }
        tried_on! { postgres_store: $($name)* }
        tried_on! { postgres: $($name)* }
        tried_on! { postgres_that_is_polled: $($name)* }
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
    nothing_ends_where_nothing_is
    a_changed_id_takes_everything_along
    attributes_change_one_by_one
    attributes_change_with_the_id
    an_expiry_that_was_reckoned_from_something_else_does_not_count
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
    backend.commit(new.clone()).await.unwrap();
    let loaded = load(&*backend, id).await.unwrap().unwrap();
    assert_eq!(loaded.attributes, attributes("k"));
    assert_eq!(Some(loaded.expires), new.expires.map(|expires| expires.at));
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
    let refused = backend.commit(commit(id, Action::Update, vec![set("a", 1)])).await;
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
    backend.commit(commit(id, Action::Update, changes)).await.unwrap();
    let loaded = load(&*backend, id).await.unwrap().unwrap();
    assert_eq!(loaded.value("a").unwrap().json(), &json!({"x": 10, "z": 3, "w": null}));
    assert!(loaded.value("b").is_none());
    assert_eq!(loaded.value("c").unwrap().json(), &json!(3));
    assert_eq!(loaded.value("d").unwrap().json(), &json!(4));
    assert_eq!(loaded.attributes, attributes("k"));
}

async fn fields_begin_where_nothing_is_stored(backend: Subject) {
    let id = begin(&*backend, vec![fields("a", [("n", Some(json!(1)))])]).await;
    backend.commit(commit(id, Action::Update, vec![fields("b", [("n", Some(json!(2)))])])).await.unwrap();
    assert_eq!(value(&*backend, id, "a").await, Some(json!({"n": 1})));
    assert_eq!(value(&*backend, id, "b").await, Some(json!({"n": 2})));
}

async fn fields_of_what_is_no_object_are_refused(backend: Subject) {
    let id = begin(&*backend, vec![set("a", json!([1]))]).await;
    let refused =
        backend.commit(commit(id, Action::Update, vec![fields("a", [("n", Some(json!(1)))])])).await;
    assert!(matches!(refused, Err(BackendError::NotAnObject(key)) if key == "a"));
    assert_eq!(value(&*backend, id, "a").await, Some(json!([1])));
}

async fn a_refused_commit_changes_nothing(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1), set("b", json!([1]))]).await;
    let changes = vec![set("a", 2), fields("b", [("n", Some(json!(1)))])];
    let mut change = commit(id, Action::Update, changes);
    change.attributes.expiry = Some(Some(Expiry::OnSessionEnd));
    assert!(backend.commit(change).await.is_err());
    assert_eq!(value(&*backend, id, "a").await, Some(json!(1)));
    assert_eq!(load(&*backend, id).await.unwrap().unwrap().attributes, attributes("k"));
}

async fn a_commit_does_not_bring_a_session_back(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    let loaded = take(&*backend, id, &["a"], records::SECOND).await.unwrap().unwrap();
    backend.commit(commit(id, Action::End, vec![])).await.unwrap();
    for lease in [loaded.lease, Lease::default()] {
        for action in [Action::Update, Action::ChangeId(SessionId::random())] {
            let mut late = commit(id, action, vec![set("a", 2)]);
            late.lease = lease;
            assert!(matches!(backend.commit(late).await, Err(BackendError::Gone)));
        }
    }
    assert!(load(&*backend, id).await.unwrap().is_none());
}

async fn nothing_ends_where_nothing_is(backend: Subject) {
    let gone = |done: Result<(), BackendError>| matches!(done, Err(BackendError::Gone));
    assert!(gone(backend.commit(commit(SessionId::random(), Action::End, vec![])).await));
    let (ended, old, new) =
        (begin(&*backend, vec![]).await, begin(&*backend, vec![]).await, SessionId::random());
    backend.commit(commit(ended, Action::End, vec![])).await.unwrap();
    backend.commit(commit(old, Action::ChangeId(new), vec![])).await.unwrap();
    for id in [ended, old] {
        assert!(gone(backend.commit(commit(id, Action::End, vec![])).await));
    }
    backend.commit(commit(new, Action::End, vec![])).await.unwrap();
    assert!(load(&*backend, new).await.unwrap().is_none());
}

async fn a_changed_id_takes_everything_along(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1), set("b", json!({"n": 1}))]).await;
    let before = load(&*backend, id).await.unwrap().unwrap();
    let new = SessionId::random();
    let loaded = take(&*backend, id, &["b"], records::SECOND).await.unwrap().unwrap();
    let mut change = commit(id, Action::ChangeId(new), vec![fields("b", [("n", Some(json!(2)))])]);
    change.lease = loaded.lease;
    backend.commit(change).await.unwrap();
    assert!(load(&*backend, id).await.unwrap().is_none());
    let after = load(&*backend, new).await.unwrap().unwrap();
    assert_eq!((after.attributes, after.expires), (before.attributes, before.expires));
    assert_eq!(value(&*backend, new, "a").await, Some(json!(1)));
    assert_eq!(value(&*backend, new, "b").await, Some(json!({"n": 2})));
    let late = backend.commit(commit(id, Action::Update, vec![set("a", 2)])).await;
    assert!(matches!(late, Err(BackendError::Gone)));
    // The turn did not stay behind.
    take(&*backend, new, &["b"], records::SECOND).await.unwrap().unwrap();
}

/// What begins with these attributes; each change is reckoned from what it is given, and expires so many seconds later than
/// the one before it.
struct Story {
    backend: Subject,
    id: SessionId,
    /// The next change expires so many seconds after [`in_an_hour`].
    seconds: u32,
    begun: OffsetDateTime,
}

impl Story {
    async fn begin(backend: Subject, attributes: Attributes) -> Self {
        let (id, begun) = (SessionId::random(), in_an_hour());
        backend.commit(create_with(id, attributes, vec![set("a", 1)])).await.unwrap();
        Self { backend, id, seconds: 0, begun }
    }

    /// Commits, and says whether its moment of expiry counted.
    async fn commit(
        &mut self,
        action: Action,
        (expiry, provisional): (Option<Expiry>, bool),
        change: impl FnOnce(&mut Commit),
    ) -> bool {
        self.seconds += 1;
        let at = self.begun + records::SECOND * self.seconds;
        let mut from = attributes("reckoned from");
        (from.expiry, from.provisional) = (expiry, provisional);
        let new = if let Action::ChangeId(new) = action { new } else { self.id };
        let mut commit = commit(self.id, action, vec![]);
        commit.expires = Some(Expires::reckoned(at, &from));
        change(&mut commit);
        self.backend.commit(commit).await.unwrap();
        self.id = new;
        self.loaded().await.expires == at
    }

    async fn loaded(&self) -> Loaded {
        load(&*self.backend, self.id).await.unwrap().unwrap()
    }

    async fn attributes(&self) -> (Option<Expiry>, bool) {
        let Attributes { expiry, provisional, .. } = self.loaded().await.attributes;
        (expiry, provisional)
    }
}

fn hours(hours: i64) -> Expiry {
    Expiry::OnInactivity(time::Duration::hours(hours))
}

fn provisional() -> Attributes {
    let mut attributes = attributes("k");
    attributes.provisional = true;
    attributes
}

async fn attributes_change_one_by_one(backend: Subject) {
    let mut story = Story::begin(backend, provisional()).await;
    assert_eq!(story.attributes().await, (None, true));
    let own = |commit: &mut Commit| commit.attributes.expiry = Some(Some(hours(1)));
    assert!(story.commit(Action::Update, (Some(hours(1)), true), own).await);
    assert_eq!(story.attributes().await, (Some(hours(1)), true));
    let written = |commit: &mut Commit| commit.attributes.written = true;
    assert!(story.commit(Action::Update, (Some(hours(1)), false), written).await);
    assert_eq!(story.attributes().await, (Some(hours(1)), false));
    let date = Some(Expiry::AtDateTime(in_an_hour()));
    for expiry in [date, Some(Expiry::OnSessionEnd), None] {
        let change = |commit: &mut Commit| commit.attributes.expiry = Some(expiry);
        assert!(story.commit(Action::Update, (expiry, false), change).await, "{expiry:?}");
        assert_eq!(story.attributes().await, (expiry, false));
    }
    let Attributes { key, created, .. } = story.loaded().await.attributes;
    assert_eq!((key, created), (attributes("k").key, attributes("k").created));
    assert_eq!(value(&*story.backend, story.id, "a").await, Some(json!(1)));
}

/// What was changed meanwhile holds, and so does the moment that was reckoned from it.
async fn an_expiry_that_was_reckoned_from_something_else_does_not_count(backend: Subject) {
    let own = Some(hours(1));
    let mut story = Story::begin(backend, provisional()).await;
    // Somebody reads in the unwritten session while another one writes: its touch does not make it short again.
    let write = |commit: &mut Commit| {
        commit.attributes.written = true;
        commit.changes = vec![set("a", 2)].into();
    };
    assert!(story.commit(Action::Update, (None, false), write).await);
    assert!(!story.commit(Action::Update, (None, true), |_| {}).await);
    // A first write beside an expiry that was set; and the other way round.
    let set_own = |commit: &mut Commit| {
        commit.attributes.expiry = Some(own);
        commit.attributes.written = true;
    };
    assert!(story.commit(Action::Update, (own, false), set_own).await);
    assert!(!story.commit(Action::Update, (None, false), write).await);
    assert!(story.commit(Action::Update, (own, false), set_own).await);
    assert!(!story.commit(Action::Update, (Some(hours(2)), false), write).await);
    // Where it changes what it was not reckoned from, too.
    let set_none = |commit: &mut Commit| commit.attributes.expiry = Some(None);
    assert!(!story.commit(Action::Update, (own, false), set_none).await);
    assert!(story.commit(Action::Update, (own, false), set_own).await);
    // And where the id changes.
    assert!(!story.commit(Action::ChangeId(SessionId::random()), (None, false), write).await);
    assert_eq!(story.attributes().await, (own, false));
    assert_eq!(value(&*story.backend, story.id, "a").await, Some(json!(2)));
}

async fn attributes_change_with_the_id(backend: Subject) {
    let mut story = Story::begin(backend, provisional()).await;
    let login = |commit: &mut Commit| {
        commit.attributes.written = true;
        commit.attributes.expiry = Some(Some(hours(3)));
        commit.changes = vec![set("b", 2)].into();
    };
    assert!(story.commit(Action::ChangeId(SessionId::random()), (Some(hours(3)), false), login).await);
    assert_eq!(story.attributes().await, (Some(hours(3)), false));
    assert!(story.commit(Action::ChangeId(SessionId::random()), (Some(hours(3)), false), |_| {}).await);
    let none = |commit: &mut Commit| commit.attributes.expiry = Some(None);
    assert!(story.commit(Action::ChangeId(SessionId::random()), (None, false), none).await);
    assert_eq!(story.attributes().await, (None, false));
    assert_eq!(story.loaded().await.attributes, attributes("k"));
    assert_eq!(value(&*story.backend, story.id, "b").await, Some(json!(2)));
}

async fn an_expired_session_is_gone(backend: Subject) {
    let id = begin(&*backend, vec![set("a", 1)]).await;
    let soon = time::OffsetDateTime::now_utc() + records::milliseconds(50);
    let mut change = commit(id, Action::Update, vec![]);
    change.expires = Some(Expires::reckoned(soon, &attributes("k")));
    backend.commit(change).await.unwrap();
    tokio::time::sleep(records::milliseconds(100)).await;
    assert!(load(&*backend, id).await.unwrap().is_none());
    for action in [Action::Update, Action::End] {
        let late = backend.commit(commit(id, action, vec![])).await;
        assert!(matches!(late, Err(BackendError::Gone)));
    }
}

async fn json_survives(backend: Subject) {
    let whole = json!({
        "big": u64::MAX, "small": i64::MIN, "half": 0.5, "none": null, "empty": [], "object": {},
        "text": "ä\u{0}\u{1f600}\"\\", "nested": [[], [{}], {"a": []}],
    });
    let id =
        begin(&*backend, vec![set("a", whole.clone()), set("key with {braces}: ä", whole.clone())]).await;
    backend.commit(commit(id, Action::Update, vec![fields("a", [("new", Some(json!(1)))])])).await.unwrap();
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
        backend.commit(update(id, loaded.lease, vec![change])).await.unwrap();
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
    backend.commit(commit(id, Action::Update, plain)).await.unwrap();
    // Fields are changed in what is stored now.
    backend.commit(update(id, loaded.lease, vec![fields("a", [("n", Some(json!(2)))])])).await.unwrap();
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
            backend.commit(commit(id, Action::Update, vec![change])).await
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
