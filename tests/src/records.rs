//! Sessions as a backend sees them: to create, to load and to commit without a handler.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

use std::{borrow::Cow, time::Duration};

use serde_json::Value;
use socketioxide_session::backend::{
    Action, Attributes, Backend, BackendError, Change, Commit, Expires, Keys, Lease, Load, Loaded, SessionId,
};
use time::OffsetDateTime;

/// What a commit changes.
type List = Vec<(Cow<'static, str>, Change)>;

/// When a session of the tests expires: whole milliseconds, which every backend can keep.
pub fn in_an_hour() -> OffsetDateTime {
    let moment = OffsetDateTime::now_utc() + Duration::from_hours(1);
    moment.replace_nanosecond(0).unwrap()
}

pub fn attributes(name: &str) -> Attributes {
    let mut attributes = Attributes::new(SessionId::random());
    attributes.key = name.into();
    attributes.created = OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap();
    attributes
}

pub fn commit(id: SessionId, action: Action, changes: List) -> Commit {
    let mut commit = Commit::new(id, action);
    commit.changes = changes.into();
    commit
}

pub fn create(id: SessionId, changes: List) -> Commit {
    create_with(id, attributes("k"), changes)
}

pub fn create_with(id: SessionId, attributes: Attributes, changes: List) -> Commit {
    let expires = Expires::reckoned(in_an_hour(), &attributes);
    let mut create = commit(id, Action::Create(attributes), changes);
    create.expires = Some(expires);
    create
}

pub fn update(id: SessionId, lease: Lease, changes: List) -> Commit {
    let mut update = commit(id, Action::Update, changes);
    update.lease = lease;
    update
}

pub fn set(key: &'static str, value: impl Into<Value>) -> (Cow<'static, str>, Change) {
    (key.into(), Change::Set(value.into()))
}

pub fn fields<const N: usize>(
    key: &'static str,
    fields: [(&str, Option<Value>); N],
) -> (Cow<'static, str>, Change) {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    (key.into(), Change::Fields(fields.collect()))
}

/// A session with these values.
pub async fn begin(backend: &dyn Backend, changes: List) -> SessionId {
    let id = SessionId::random();
    backend.commit(create(id, changes)).await.unwrap();
    id
}

pub async fn load(backend: &dyn Backend, id: SessionId) -> Result<Option<Loaded>, BackendError> {
    backend.load(id, Load::read(Keys::All)).await
}

/// One value, as it is stored now.
pub async fn value(backend: &dyn Backend, id: SessionId, key: &str) -> Option<Value> {
    let loaded = load(backend, id).await.unwrap().expect("the session is there");
    loaded.value(key).map(|value| value.json().clone())
}

/// Takes turns.
pub async fn take(
    backend: &dyn Backend,
    id: SessionId,
    turns: &'static [&'static str],
    wait: Duration,
) -> Result<Option<Loaded>, BackendError> {
    let mut load = Load::read(Keys::Only(turns));
    load.turns = turns;
    load.wait = wait;
    load.hold = Duration::from_secs(30);
    backend.load(id, load).await
}

pub const SECOND: Duration = Duration::from_secs(1);

pub const fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}
