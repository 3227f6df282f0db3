//! Sessions in any `tower_sessions::SessionStore`.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use serde::Deserialize;
use time::OffsetDateTime;
use tower_sessions::{SessionStore, session::Record, session_store};

use super::{Action, Answer, Attributes, Backend, BackendError, Commit, Lease, Load, Loaded};
use crate::{
    clock,
    process::Registry,
    session::{change::Changes, id::SessionId, lifetimes::DEFAULT_LIFE, value::StoredValue},
};

/// The key in a store's record under which [`Attributes`] is kept. Handlers and plain `Session`s do not see it.
const ATTRIBUTES_KEY: &str = "socketioxide-session";

/// Keeps sessions in any [`SessionStore`]: those of tower-sessions' family, or your own.
///
/// A store knows only whole records. So each commit loads the record, changes in it what the handler changed and
/// saves it, under a lock of this process: in one process everything holds that this crate promises. Several
/// processes on one store can lose each other's changes.
///
/// Stores disagree on saving a record that was deleted meanwhile; here it is always refused. So is a record that the
/// store gives under another id than it was asked for.
///
/// A record that tower-sessions' own layer wrote does not say when its session began: this crate's first load of it
/// writes that down, so that [`with_absolute_timeout`](crate::SessionLayer::with_absolute_timeout) counts from then on.
///
/// ```
/// use socketioxide_session::{SessionLayer, StoreBackend};
/// # use tower_sessions::MemoryStore;
///
/// let layer = SessionLayer::new(StoreBackend::new(MemoryStore::default()));
/// ```
pub struct StoreBackend<S> {
    records: Arc<Records<S>>,
    registry: Registry,
}

/// What the backend's answers own a share of.
struct Records<S> {
    store: S,
    locks: Locks,
    newcomers: Newcomers,
}

impl<S> Clone for StoreBackend<S> {
    fn clone(&self) -> Self {
        Self { records: Arc::clone(&self.records), registry: self.registry.clone() }
    }
}

impl<S> fmt::Debug for StoreBackend<S> {
    /// Does not show the store: some print their sessions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBackend").finish_non_exhaustive()
    }
}

impl<S: SessionStore> StoreBackend<S> {
    /// Keeps sessions in this store.
    pub fn new(store: S) -> Self {
        let records = Records { store, locks: Locks::default(), newcomers: Newcomers::default() };
        Self { records: Arc::new(records), registry: Registry::default() }
    }
}

impl<S: SessionStore> Backend for StoreBackend<S> {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>> {
        let records = Arc::clone(&self.records);
        Answer::pending(async move {
            let Some(mut record) = records.record(id).await? else { return Ok(None) };
            if !record.data.contains_key(ATTRIBUTES_KEY) {
                // Runs to its end: a save that is given up half-way could arrive after a later one.
                let welcomed = tokio::spawn(async move { records.welcome(id).await });
                let Some(with_attributes) = welcomed.await.map_err(BackendError::failed)?? else {
                    return Ok(None);
                };
                record = with_attributes;
            }
            loaded(record, load)
        })
    }

    fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>> {
        let records = Arc::clone(&self.records);
        Answer::pending(async move { records.commit(&commit).await })
    }
}

impl<S: SessionStore> Records<S> {
    async fn record(&self, id: SessionId) -> Result<Option<Record>, BackendError> {
        let Some(record) = self.store.load(&id.expose()).await.map_err(BackendError::failed)? else {
            return Ok(None);
        };
        is_of(&record, id)?;
        // Not every store looks at the expiry.
        Ok(Some(record).filter(|record| record.expiry_date > clock::now()))
    }

    /// The record of a session that this crate did not write, with the attributes that it is given now. They are written
    /// at once: a session that is only read would begin anew at each load.
    async fn welcome(&self, id: SessionId) -> Result<Option<Record>, BackendError> {
        let lock = self.locks.of(id);
        let _guard = lock.lock().await;
        let Some(mut record) = self.record(id).await? else { return Ok(None) };
        // Somebody else may have been first.
        if !record.data.contains_key(ATTRIBUTES_KEY) {
            let attributes = self.newcomers.attributes_of(&record);
            put_attributes(&mut record, &attributes)?;
            match self.store.save(&record).await {
                Ok(()) => self.newcomers.forget(id),
                // A store that cannot be written can be read.
                Err(error) => self.newcomers.keep(&record, attributes, &error),
            }
        }
        Ok(Some(record))
    }

    async fn create(&self, attributes: &Attributes, commit: &Commit) -> Result<(), BackendError> {
        let expiry_date = commit.expires.map_or_else(|| clock::now() + DEFAULT_LIFE, |expires| expires.at);
        let mut record = Record { id: commit.id.expose(), data: HashMap::new(), expiry_date };
        apply(&mut record, &commit.changes)?;
        put_attributes(&mut record, attributes)?;
        self.put_new(record).await
    }

    async fn put_new(&self, mut record: Record) -> Result<(), BackendError> {
        let wanted = record.id;
        self.store.create(&mut record).await.map_err(BackendError::failed)?;
        if record.id == wanted {
            return Ok(());
        }
        // A store that met the id before chose another one, which nobody here would know.
        self.store.delete(&record.id).await.map_err(BackendError::failed)?;
        Err(BackendError::failed("the store has a record under a fresh id already"))
    }

    async fn end(&self, id: SessionId) -> Result<(), BackendError> {
        match self.store.load(&id.expose()).await {
            Ok(Some(record)) => {
                is_of(&record, id)?;
                if record.expiry_date <= clock::now() {
                    return Err(BackendError::Gone);
                }
            }
            // A record that cannot be read is there, and can be ended.
            Err(session_store::Error::Decode(_)) => {}
            Ok(None) => return Err(BackendError::Gone),
            Err(error) => return Err(BackendError::failed(error)),
        }
        self.store.delete(&id.expose()).await.map_err(BackendError::failed)
    }

    async fn changed(&self, commit: &Commit) -> Result<Record, BackendError> {
        let mut record = self.record(commit.id).await?.ok_or(BackendError::Gone)?;
        apply(&mut record, &commit.changes)?;
        let mut attributes = self.attributes_of(&record)?;
        commit.attributes.apply(&mut attributes);
        if let Some(expires) = commit.expires_beside(&attributes) {
            record.expiry_date = expires;
        }
        put_attributes(&mut record, &attributes)?;
        Ok(record)
    }

    fn attributes_of(&self, record: &Record) -> Result<Attributes, BackendError> {
        Ok(stored_attributes(record)?.unwrap_or_else(|| self.newcomers.attributes_of(record)))
    }

    async fn commit(&self, commit: &Commit) -> Result<(), BackendError> {
        let lock = self.locks.of(commit.id);
        let _guard = lock.lock().await;
        match &commit.action {
            Action::Create(attributes) => self.create(attributes, commit).await,
            Action::Update => {
                let record = self.changed(commit).await?;
                self.store.save(&record).await.map_err(BackendError::failed)
            }
            &Action::ChangeId(new) => {
                let mut record = self.changed(commit).await?;
                record.id = new.expose();
                self.put_new(record).await?;
                let ended = self.store.delete(&commit.id.expose()).await.map_err(BackendError::failed);
                if ended.is_err() {
                    // Two live ids of one session would be worse than a change that did not take place.
                    self.store.delete(&new.expose()).await.map_err(BackendError::failed)?;
                }
                ended
            }
            Action::End => self.end(commit.id).await,
        }
    }
}

/// # Errors
///
/// If the store gave the record of another session.
fn is_of(record: &Record, id: SessionId) -> Result<(), BackendError> {
    if record.id == id.expose() {
        return Ok(());
    }
    Err(BackendError::failed("the store gave the record of another session than it was asked for"))
}

/// What `load` asks for, of a record with attributes.
fn loaded(record: Record, load: Load) -> Result<Option<Loaded>, BackendError> {
    let attributes =
        stored_attributes(&record)?.unwrap_or_else(|| Attributes::new(SessionId::from(record.id)));
    let wanted = |key: &String| key != ATTRIBUTES_KEY && load.keys.want(key);
    let values = record.data.into_iter().filter(|(key, _)| wanted(key));
    let values = values.map(|(key, value)| (Cow::Owned(key), StoredValue::new(value))).collect();
    Ok(Some(Loaded { attributes, expires: record.expiry_date, values, lease: Lease::default() }))
}

/// `None`: tower-sessions wrote the record alone.
fn stored_attributes(record: &Record) -> Result<Option<Attributes>, BackendError> {
    let stored = record.data.get(ATTRIBUTES_KEY);
    stored.map(Attributes::deserialize).transpose().map_err(BackendError::failed)
}

fn put_attributes(record: &mut Record, attributes: &Attributes) -> Result<(), BackendError> {
    let json = serde_json::to_value(attributes).map_err(BackendError::failed)?;
    record.data.insert(ATTRIBUTES_KEY.to_owned(), json);
    Ok(())
}

fn apply(record: &mut Record, changes: &Changes) -> Result<(), BackendError> {
    for (key, change) in changes {
        let stored = record.data.remove(&**key);
        let result = change.apply_to_json(stored).map_err(|_| BackendError::NotAnObject(key.to_string()))?;
        if let Some(value) = result {
            record.data.insert(key.to_string(), value);
        }
    }
    Ok(())
}

/// A lock a session, so that a record is read, changed and saved by one commit at a time.
#[derive(Debug, Default)]
struct Locks(Mutex<HashMap<SessionId, Weak<tokio::sync::Mutex<()>>>>);

impl Locks {
    fn of(&self, id: SessionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        // A good moment to forget locks that nobody holds: as often as the map would grow.
        if locks.len() == locks.capacity() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(id, Arc::downgrade(&lock));
        lock
    }
}

/// The sessions that this crate did not write, as far as the store did not let it: what they were given at their first
/// load, and when they expire.
#[derive(Debug, Default)]
struct Newcomers(Mutex<HashMap<SessionId, (Attributes, OffsetDateTime)>>);

impl Newcomers {
    /// Those of a session that was seen before, or that begins now.
    fn attributes_of(&self, record: &Record) -> Attributes {
        let id = SessionId::from(record.id);
        let known = self.0.lock().get(&id).map(|(attributes, _)| attributes.clone());
        known.unwrap_or_else(|| Attributes::new(id))
    }

    fn keep(&self, record: &Record, attributes: Attributes, error: &session_store::Error) {
        let mut known = self.0.lock();
        // Not more than live in the store.
        if known.len() == known.capacity() {
            let now = clock::now();
            known.retain(|_, (_, expires)| *expires > now);
        }
        if known.insert(SessionId::from(record.id), (attributes, record.expiry_date)).is_none() {
            tracing::warn!(
                %error,
                "the store does not take down when a session began that tower-sessions' layer wrote: this process remembers it"
            );
        }
    }

    fn forget(&self, id: SessionId) {
        self.0.lock().remove(&id);
    }
}
