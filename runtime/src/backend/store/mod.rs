//! Sessions in any `tower_sessions::SessionStore`.

mod attributes;
mod cleanup;
mod dead_ids;
mod kept;
mod locks;
mod newcomers;

use std::{collections::HashMap, fmt, mem, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::time::timeout;
use tower_sessions::{ExpiredDeletion, SessionStore, session::Record, session_store};

use self::{
    attributes::{ATTRIBUTES_KEY, put_attributes, stored_attributes},
    cleanup::Cleanup,
    dead_ids::DeadIds,
    kept::{Kept, KeptSessions, loaded},
    locks::Locks,
    newcomers::Newcomers,
};
use super::{Action, Answer, Attributes, Backend, BackendError, Commit, Load, Loaded, progress::Progress};
use crate::{
    background::Background,
    clock,
    process::Registry,
    session::{change::Changes, id::SessionId, lifetimes::DEFAULT_LIFE},
};

/// How long the first load of a session that this crate did not write waits for the store to take that down.
const WELCOME: Duration = Duration::from_secs(1);

/// Keeps sessions in any [`SessionStore`]: those of tower-sessions' family, or your own.
///
/// A store knows only whole records. So each commit loads the record, changes in it what the handler changed and
/// saves it, under a lock of this process: in one process everything holds that this crate promises. Several
/// processes on one store can lose each other's changes.
///
/// Stores disagree on saving a record that was deleted meanwhile; here it is always refused. So is a record that the
/// store gives under another id than it was asked for.
///
/// A store that fails, or does not answer in time ([`with_backend_timeout`](crate::SessionLayer::with_backend_timeout)),
/// may have written all the same. So once it was asked to write, the error is
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), and nothing is undone that may have succeeded. A deletion is tried
/// twice, and looked after. [The guide](crate::guide::guarantees#6-told-only-what-is-saved) has the details.
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
    cleanup: Option<Cleanup<S>>,
}

/// What the backend's answers own a share of.
struct Records<S> {
    store: S,
    registry: Registry,
    locks: Locks,
    kept: KeptSessions,
    newcomers: Newcomers,
    dead_ids: DeadIds,
    /// The task of `with_cleanup`.
    cleanup: Background,
}

impl<S> Clone for StoreBackend<S> {
    fn clone(&self) -> Self {
        Self { records: Arc::clone(&self.records), cleanup: self.cleanup }
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
        Self::keeping(store, KeptSessions::default())
    }

    /// Keeps sessions in this store, to which nobody else writes while this backend lives: no other process, and no other
    /// backend of this one. (A clone of a backend is the same one.) Then what was loaded or saved once need not be loaded
    /// again: a read costs the store nothing, and a write one save, where they else cost one load, and two loads and a save. Of
    /// 1,024 sessions at most that is kept in memory; the store itself has all of them at any time.
    ///
    /// If somebody writes all the same, or deletes a record, that is not seen here while the session is kept, and lost with
    /// its next commit.
    ///
    /// ```
    /// use socketioxide_session::{SessionLayer, StoreBackend};
    /// # use tower_sessions::MemoryStore;
    ///
    /// let layer = SessionLayer::new(StoreBackend::exclusive(MemoryStore::default()));
    /// ```
    pub fn exclusive(store: S) -> Self {
        Self::keeping(store, KeptSessions::of_an_exclusive_store())
    }

    fn keeping(store: S, kept: KeptSessions) -> Self {
        let (registry, locks, newcomers, dead_ids, cleanup) = Default::default();
        let records = Records { store, registry, locks, kept, newcomers, dead_ids, cleanup };
        Self { records: Arc::new(records), cleanup: None }
    }

    /// Deletes what has expired, in a store that can do that: when the first session is asked for, and after each interval (a second at least), until
    /// the backend is dropped. Default: never, so that a store that does not do it by itself grows for ever; those on SQL
    /// databases are such. What fails is logged at `warn`, and tried again.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use socketioxide_session::{SessionLayer, StoreBackend};
    /// # mod tower_sessions_sqlx_store {
    /// #     use tower_sessions::{ExpiredDeletion, SessionStore, session::{Id, Record}, session_store::Result};
    /// #     #[derive(Clone, Debug)]
    /// #     pub struct SqliteStore;
    /// #     #[async_trait::async_trait]
    /// #     impl SessionStore for SqliteStore {
    /// #         async fn save(&self, _: &Record) -> Result<()> { Ok(()) }
    /// #         async fn load(&self, _: &Id) -> Result<Option<Record>> { Ok(None) }
    /// #         async fn delete(&self, _: &Id) -> Result<()> { Ok(()) }
    /// #     }
    /// #     #[async_trait::async_trait]
    /// #     impl ExpiredDeletion for SqliteStore {
    /// #         async fn delete_expired(&self) -> Result<()> { Ok(()) }
    /// #     }
    /// # }
    /// use tower_sessions_sqlx_store::SqliteStore; // or PostgresStore, MySqlStore
    ///
    /// fn sessions(store: SqliteStore) -> SessionLayer {
    ///     SessionLayer::new(StoreBackend::new(store).with_cleanup(Duration::from_secs(600)))
    /// }
    /// ```
    #[must_use]
    pub fn with_cleanup(mut self, interval: Duration) -> Self
    where
        S: ExpiredDeletion,
    {
        self.cleanup = Some(Cleanup::each(interval));
        self
    }

    /// The records, for one call.
    fn records(&self) -> Arc<Records<S>> {
        if let Some(cleanup) = self.cleanup {
            self.records.clean_up_from_now_on(cleanup);
        }
        Arc::clone(&self.records)
    }
}

impl<S: SessionStore> Backend for StoreBackend<S> {
    fn registry(&self) -> &Registry {
        &self.records.registry
    }

    fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>> {
        let records = self.records();
        if let Some(loaded) = records.kept.get(id, load).filter(|_| !records.dead_ids.has(id)) {
            return Answer::Ready(Ok(Some(loaded)));
        }
        Answer::pending(async move {
            let loading = records.kept.begin_load(id);
            let Some(record) = records.record(id).await? else { return Ok(None) };
            if let Some(attributes) = stored_attributes(&record)? {
                return Ok(Some(loading.found(attributes, record, load)));
            }
            drop(loading);
            // Boxed: most loads need no room for it.
            let record = Box::pin(records.welcome_in_time(id, &record)).await?;
            let attributes = record.as_ref().map(stored_attributes).transpose()?.flatten();
            Ok(record.zip(attributes).map(|(record, attributes)| loaded(attributes, record, load)))
        })
    }

    fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>> {
        let records = self.records();
        Answer::pending(async move { records.commit(commit).await })
    }
}

impl<S: SessionStore> Records<S> {
    async fn record(&self, id: SessionId) -> Result<Option<Record>, BackendError> {
        if self.dead_ids.has(id) {
            return Ok(None);
        }
        let Some(record) = self.store.load(&id.expose()).await.map_err(BackendError::failed)? else {
            return Ok(None);
        };
        is_of(&record, id)?;
        // Not every store looks at the expiry.
        Ok(Some(record).filter(|record| record.expiry_date > clock::now()))
    }

    /// The record as it is before a commit, under the session's lock, and its attributes if this crate wrote it. `kept`: what
    /// is known to be stored.
    async fn record_to_change(
        &self,
        id: SessionId,
        kept: Option<Box<Kept>>,
    ) -> Result<(Record, Option<Attributes>), BackendError> {
        if let Some(kept) = kept {
            let (record, attributes) = kept.into_record(id);
            return if self.dead_ids.has(id) {
                Err(BackendError::Gone)
            } else {
                Ok((record, Some(attributes)))
            };
        }
        let record = self.record(id).await?.ok_or(BackendError::Gone)?;
        let attributes = stored_attributes(&record)?;
        Ok((record, attributes))
    }

    /// A [`welcome`](Self::welcome) that goes on by itself where the store takes its time, or the reader goes: a save that
    /// is given up half-way could arrive after a later one.
    async fn welcome_in_time(
        self: &Arc<Self>,
        id: SessionId,
        record: &Record,
    ) -> Result<Option<Record>, BackendError> {
        let attributes = self.newcomers.remember(record);
        let records = Arc::clone(self);
        let welcome = tokio::spawn(async move { records.welcome(id).await });
        if let Ok(welcomed) = timeout(WELCOME, welcome).await {
            return welcomed.map_err(BackendError::failed)?;
        }
        let mut record = record.clone();
        put_attributes(&mut record, &attributes)?;
        Ok(Some(record))
    }

    /// The record of a session that this crate did not write, with the attributes that it is given now. They are written
    /// at once: a session that is only read would begin anew at each load.
    async fn welcome(&self, id: SessionId) -> Result<Option<Record>, BackendError> {
        let lock = self.locks.of(id);
        let _guard = lock.lock().await;
        let Some(mut record) = self.record(id).await? else { return Ok(None) };
        // Somebody else may have been first.
        if !record.data.contains_key(ATTRIBUTES_KEY) {
            let attributes = self.newcomers.remember(&record);
            put_attributes(&mut record, &attributes)?;
            if let Err(error) = self.save_sooner_or_later(id, &record).await {
                // A store that cannot be written can be read.
                self.newcomers.log(&error);
                return Ok(Some(record));
            }
        }
        self.newcomers.forget(id);
        Ok(Some(record))
    }

    /// Saves, and tells others where that takes its time.
    async fn save_sooner_or_later(&self, id: SessionId, record: &Record) -> session_store::Result<()> {
        let mut save = self.store.save(record);
        if let Ok(saved) = timeout(WELCOME, &mut save).await {
            return saved;
        }
        let saved = self.registry.see_to_its_end(id, save).await;
        saved.unwrap_or_else(|| Err(session_store::Error::Backend("the store does not answer".to_owned())))
    }

    async fn create(
        &self,
        attributes: &Attributes,
        commit: Commit,
        progress: &Progress,
    ) -> Result<(), BackendError> {
        let expiry_date = commit.expires.map_or_else(|| clock::now() + DEFAULT_LIFE, |expires| expires.at);
        let mut record = Record { id: commit.id.expose(), data: HashMap::new(), expiry_date };
        apply(&mut record, commit.changes)?;
        put_attributes(&mut record, attributes)?;
        self.put_new(record, progress).await
    }

    async fn put_new(&self, mut record: Record, progress: &Progress) -> Result<(), BackendError> {
        let wanted = record.id;
        progress.may_have_written();
        self.store.create(&mut record).await.map_err(unknown)?;
        if record.id == wanted {
            return Ok(());
        }
        // A store that met the id before chose another one, which nobody here would know.
        self.delete(SessionId::from(record.id)).await.map_err(BackendError::failed)?;
        Err(BackendError::failed("the store has a record under a fresh id already"))
    }

    async fn update(&self, commit: Commit, progress: &Progress) -> Result<(), BackendError> {
        let (writing, kept) = self.kept.begin_write(commit.id);
        let (record, attributes) = self.changed(commit, kept).await?;
        progress.may_have_written();
        self.store.save(&record).await.map_err(unknown)?;
        writing.saved(attributes, record);
        Ok(())
    }

    async fn change_id(
        self: &Arc<Self>,
        commit: Commit,
        new: SessionId,
        progress: &Progress,
    ) -> Result<(), BackendError> {
        let id = commit.id;
        let (_writing, kept) = self.kept.begin_write(id);
        let (mut record, _) = self.changed(commit, kept).await?;
        let expires = record.expiry_date;
        record.id = new.expose();
        self.put_new(record, progress).await?;
        if !progress.has_new_id() {
            // It came too late: whoever asked goes on under the old id, and nobody knows the new one.
            self.declare_dead(new, expires);
            return Err(unknown("the new record came too late"));
        }
        let mut old = self.dies(id, expires);
        self.delete(id).await.map_err(|error| BackendError::OldIdMayLive(error.into()))?;
        old.is_gone();
        Ok(())
    }

    async fn end(&self, id: SessionId, progress: &Progress) -> Result<(), BackendError> {
        let _writing = self.kept.begin_write(id);
        self.expiry_of(id).await?.ok_or(BackendError::Gone)?;
        progress.may_have_written();
        self.delete(id).await.map_err(unknown)
    }

    /// Ends a session beside a write that does not come back, and that may bring it back once more.
    async fn end_beside_a_write(
        self: &Arc<Self>,
        id: SessionId,
        lock: &tokio::sync::Mutex<()>,
        progress: &Progress,
    ) -> Result<(), BackendError> {
        let _writing = self.kept.begin_write(id);
        let expires = self.expiry_of(id).await?.ok_or(BackendError::Gone)?;
        self.declare_dead(id, expires);
        // It may have come back by now, and another one have begun before the id was dead: that one saves first.
        let _guard = tokio::select! {
            biased;
            guard = lock.lock() => Some(guard),
            () = self.registry.unsettled().until_there_is_one(id) => None,
        };
        progress.may_have_written();
        self.delete(id).await.map_err(unknown)
    }

    /// When a session expires that may be ended.
    async fn expiry_of(&self, id: SessionId) -> Result<Option<OffsetDateTime>, BackendError> {
        if self.dead_ids.has(id) {
            return Ok(None);
        }
        match self.store.load(&id.expose()).await {
            Ok(Some(record)) => {
                is_of(&record, id)?;
                Ok(Some(record.expiry_date).filter(|expires| *expires > clock::now()))
            }
            // A record that cannot be read is there, and can be ended.
            Err(session_store::Error::Decode(_)) => Ok(Some(clock::now() + DEFAULT_LIFE)),
            Ok(None) => Ok(None),
            Err(error) => Err(BackendError::failed(error)),
        }
    }

    /// Deletes a record. Where the store fails it is asked once more, and then whether the record is gone all the same.
    async fn delete(&self, id: SessionId) -> session_store::Result<()> {
        let id = id.expose();
        if self.store.delete(&id).await.is_ok() {
            return Ok(());
        }
        let Err(error) = self.store.delete(&id).await else { return Ok(()) };
        match self.store.load(&id).await {
            Ok(None) => Ok(()),
            _ => Err(error),
        }
    }

    async fn changed(
        &self,
        mut commit: Commit,
        kept: Option<Box<Kept>>,
    ) -> Result<(Record, Attributes), BackendError> {
        let mut changes = mem::take(&mut commit.changes);
        changes.iter_mut().for_each(|(_, change)| change.forget_state());
        let (mut record, stored) = self.record_to_change(commit.id, kept).await?;
        apply(&mut record, changes)?;
        let mut attributes = stored.clone().unwrap_or_else(|| self.newcomers.attributes_of(&record));
        commit.attributes.apply(&mut attributes);
        if let Some(expires) = commit.expires_beside(&attributes) {
            record.expiry_date = expires;
        }
        if stored.as_ref() != Some(&attributes) {
            put_attributes(&mut record, &attributes)?;
        }
        Ok((record, attributes))
    }

    async fn commit(self: &Arc<Self>, commit: Commit) -> Result<(), BackendError> {
        let progress = Progress::of_commit();
        progress.has_written_nothing();
        let lock = self.locks.of(commit.id);
        let _guard = if commit.action == Action::End {
            tokio::select! {
                biased;
                guard = lock.lock() => guard,
                () = self.registry.unsettled().until_there_is_one(commit.id) => {
                    return self.end_beside_a_write(commit.id, &lock, &progress).await;
                }
            }
        } else {
            lock.lock().await
        };
        match commit.action.clone() {
            Action::Create(attributes) => self.create(&attributes, commit, &progress).await,
            Action::Update => self.update(commit, &progress).await,
            Action::ChangeId(new) => self.change_id(commit, new, &progress).await,
            Action::End => self.end(commit.id, &progress).await,
        }
    }
}

/// The store was asked to write, and failed: it may have written first.
fn unknown(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackendError {
    BackendError::OutcomeUnknown(error.into())
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

fn apply(record: &mut Record, changes: Changes) -> Result<(), BackendError> {
    for (key, change) in changes {
        let mut stored = record.data.get_mut(&*key);
        let Ok(value) = change.into_json(stored.as_deref_mut().map(mem::take)) else {
            return Err(BackendError::NotAnObject(key.into_owned()));
        };
        match (stored, value) {
            (Some(stored), Some(value)) => *stored = value,
            (None, Some(value)) => drop(record.data.insert(key.into_owned(), value)),
            (_, None) => drop(record.data.remove(&*key)),
        }
    }
    Ok(())
}
