//! Where sessions live: [`Backend`], what passes through it, and the backends that are here.
//!
//! For a backend of your own begin with [`Backend::load`] and [`Backend::commit`]; leave [`Backend::commit_in_line`],
//! [`Line`] and [`Arrivals`] for later. One for several processes (nodes) also tells its [`Registry`] what it hears from
//! the others: see [`Registry::among_nodes`].
//!
//! ```
//! use std::{collections::HashMap, sync::{Arc, Mutex}};
//!
//! use socketioxide_session::backend::{
//!     self, Action, Answer, Attributes, Backend, BackendError, Commit, Load, Loaded, Registry, SessionId, StoredValue,
//! };
//! use socketioxide_session::time::OffsetDateTime;
//!
//! /// Sessions in a map, for one process.
//! #[derive(Clone, Debug, Default)]
//! struct MapBackend {
//!     records: Arc<Mutex<HashMap<SessionId, Record>>>,
//!     registry: Registry,
//! }
//!
//! #[derive(Clone, Debug)]
//! struct Record {
//!     attributes: Attributes,
//!     expires: OffsetDateTime,
//!     values: HashMap<String, StoredValue>,
//! }
//!
//! impl Record {
//!     /// The record after a commit. Made beside the stored one, so that a commit is all or nothing.
//!     fn after(mut self, commit: &Commit) -> Result<Self, BackendError> {
//!         for (key, change) in &commit.changes {
//!             let stored = self.values.remove(&**key);
//!             let changed = change.apply(stored.as_ref());
//!             if let Some(value) = changed.map_err(|_| BackendError::NotAnObject(key.to_string()))? {
//!                 self.values.insert(key.to_string(), value);
//!             }
//!         }
//!         commit.attributes.apply(&mut self.attributes);
//!         if let Some(expires) = commit.expires_beside(&self.attributes) {
//!             self.expires = expires;
//!         }
//!         Ok(self)
//!     }
//! }
//!
//! impl MapBackend {
//!     fn find(&self, id: SessionId, load: &Load) -> Option<Loaded> {
//!         let records = self.records.lock().unwrap();
//!         let record = records.get(&id).filter(|record| record.expires > backend::now())?;
//!         let mut loaded = Loaded::new(record.attributes.clone(), record.expires);
//!         let wanted = record.values.iter().filter(|(key, _)| load.keys.want(key));
//!         loaded.values = wanted.map(|(key, value)| (key.clone().into(), value.clone())).collect();
//!         Some(loaded)
//!     }
//!
//!     fn carry_out(&self, commit: &Commit) -> Result<(), BackendError> {
//!         let mut records = self.records.lock().unwrap();
//!         let live = records.get(&commit.id).filter(|record| record.expires > backend::now()).cloned();
//!         match &commit.action {
//!             Action::Create(attributes) => {
//!                 let attributes = attributes.clone();
//!                 let new = Record { attributes, expires: backend::now(), values: HashMap::new() };
//!                 records.insert(commit.id, new.after(commit)?);
//!             }
//!             Action::Update => drop(records.insert(commit.id, live.ok_or(BackendError::Gone)?.after(commit)?)),
//!             Action::ChangeId(new) => {
//!                 records.insert(*new, live.ok_or(BackendError::Gone)?.after(commit)?);
//!                 records.remove(&commit.id);
//!             }
//!             Action::End => {
//!                 live.ok_or(BackendError::Gone)?;
//!                 records.remove(&commit.id);
//!             }
//!             _ => return Err(BackendError::failed("an action that this backend does not know")),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl Backend for MapBackend {
//!     fn registry(&self) -> &Registry {
//!         &self.registry
//!     }
//!
//!     fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>> {
//!         Answer::Ready(Ok(self.find(id, &load)))
//!     }
//!
//!     // If it had to wait: `let backend = self.clone(); Answer::pending(async move { .. })`.
//!     fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>> {
//!         Answer::Ready(self.carry_out(&commit))
//!     }
//! }
//! # let _ = socketioxide_session::SessionLayer::new(MapBackend::default());
//! ```

// It uses what a session is, turns and what the process knows; it never knows of calls, requests or sockets.

#[cfg(any(feature = "redis", feature = "postgres"))]
mod aliases;
mod answer;
mod memory;
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(crate) mod millis;
mod owners;
#[cfg(feature = "postgres")]
mod postgres;
pub(crate) mod progress;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod relay;
mod store;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod text;

use std::{any::Any, borrow::Cow, error::Error as StdError, fmt::Debug, sync::Arc, time::Duration};

use smallvec::{Array, SmallVec};
use time::OffsetDateTime;
use tokio::time::timeout;

#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use self::postgres::{PostgresBackend, PostgresBackendBuilder};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::{RedisBackend, RedisBackendBuilder};
pub use self::{
    answer::{Answer, Awaited},
    memory::MemoryBackend,
    owners::{Owned, Owners},
    store::StoreBackend,
};
pub use crate::{
    process::{Ending, Registry},
    session::{
        attributes::{AttributeChanges, Attributes, Expires},
        change::{Change, Changes, FieldChanges, NotAnObject},
        id::{HiddenId, SessionId},
        ownership::{Ownership, OwnershipChanges},
        value::StoredValue,
    },
    turns::{Arrivals, Lease, Line},
};

use crate::{clock, turns::LeaseHome};

/// The runtime's time of day, by which records expire: the wall clock, moved along where a test pauses or advances tokio's
/// clock.
pub fn now() -> OffsetDateTime {
    clock::now()
}

/// Where sessions live and turns are kept.
///
/// A backend stores records, a session each: an id, an expiry, [`Attributes`] and values under keys. It has three
/// duties beyond storing:
///
/// - A commit is all or nothing, and changes only the keys and fields that it names.
/// - A record that does not exist (any more) is never brought back by a commit: [`BackendError::Gone`].
/// - Expired records are as good as gone, by the time of day that [`now`] tells.
///
/// Its methods give an [`Answer`]: what is at hand, or a future that owns all that it needs (a clone of what the backend
/// holds in an `Arc`), because a commit can outlive its caller. Nothing happens before that future is polled.
///
/// The runtime keeps the order of turns within the process, in the backend's [`Registry`]. A backend of several
/// processes takes a lease on [`Load::turns`] as it loads, checks it in [`commit`](Backend::commit) and ends it
/// there or in [`release`](Backend::release), so that each of these is one round trip. It keeps the lease alive by
/// itself in between, for [`Load::hold`] at most.
///
/// Leases have numbers from 1 on; [`Lease::default`] (0) means that there is none. Commits without a lease are as
/// welcome as those with one: a plain `Session`, a change of id or an end takes no turn.
///
/// Such a backend may let calls that wait in this process go one after the other under one lease, on values that it
/// keeps, and commit for several of them at once: see [`commit_in_line`](Backend::commit_in_line).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no backend of sessions",
    label = "is no `Backend`",
    note = "a store of tower-sessions is given as `StoreBackend::new(store)`; without a store, `MemoryBackend::default()`; a backend \
            itself is given by value, without `&` and `Arc`"
)]
pub trait Backend: Debug + Send + Sync + 'static {
    /// What this process knows about the sessions of this backend. Clones of a backend share one.
    fn registry(&self) -> &Registry;

    /// Reads a session, and takes the turns that are asked for: all of them at one moment, after those who asked
    /// before. `None` where there is no such session; then no turn is taken. Without keys it is asked whether the session
    /// lives.
    ///
    /// Dropping the answer takes nothing: a lease that was granted meanwhile is given back.
    fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>>;

    /// Carries out a commit and ends its lease. After an error the caller ends the lease by
    /// [`release`](Backend::release). Where a record is gone and the lease is lost, too, the error is
    /// [`BackendError::Gone`].
    ///
    /// If it does not answer in time ([`with_backend_timeout`](crate::SessionLayer::with_backend_timeout)), its caller is
    /// told [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). Its future goes on for a minute at most; until it ends,
    /// writes to the session are refused, but for [`Action::End`].
    fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>>;

    /// Carries out a commit under a lease, as [`commit`](Backend::commit) does, while other calls of this process may
    /// wait for the turn. By [`Line::pass_on`] the backend may let the next one go on before this commit is in:
    ///
    /// - The lease is then the next call's, which says so in [`Load::lease`] and must be given what this commit leaves;
    ///   an error of this commit no longer ends the lease.
    /// - The next call must have come before the values that it is given were asked for, or compared with what is
    ///   stored: the backend noted [`Registry::arrivals`] before it did so. Else the call would miss what others had
    ///   written before it came.
    /// - If this commit fails, so must the next call's, with an error that says that nothing was written. A call to
    ///   which a lease was passed on commits even if it changed nothing, to know that.
    ///
    /// Once begun it runs to its end. Without an implementation the turn passes on when the commit is in.
    fn commit_in_line(&self, commit: Commit, line: Line) -> Answer<Result<(), BackendError>> {
        drop(line);
        self.commit(commit)
    }

    /// From when this answers until what it gives is dropped, this process hears of each commit of other processes to the
    /// session, by [`Registry::states_changed`]: sockets here are sent its live states, or somebody follows
    /// [`Shared::changes`](crate::Shared::changes). Without an implementation there are no other processes.
    fn listen(&self, id: SessionId) -> Answer<Result<Hearing, BackendError>> {
        let _ = id;
        Answer::Ready(Ok(Hearing::default()))
    }

    /// By which sessions are found by their keys and owners. `None`, as without an implementation: it cannot be asked, and
    /// owners are [`Unsupported`](crate::ErrorKind::Unsupported). One that can stores
    /// [`Attributes::ownership`], and an index that a commit with [`AttributeChanges::ownership`] writes before the session.
    fn owners(&self) -> Option<&dyn Owners> {
        None
    }

    /// Ends a lease without writing. Called also when a handler was cancelled, or its commit failed.
    fn release(&self, id: SessionId, lease: Lease) -> Answer<()> {
        let _ = (id, lease);
        Answer::Ready(())
    }
}

/// A process hears of what others commit to a session, until this is dropped.
#[derive(Default)]
pub struct Hearing(Option<Box<dyn Any + Send + Sync>>);

impl Hearing {
    /// Dropped when nobody here wants to hear of the session any more. Its drop must not panic.
    pub fn until_dropped(guard: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(guard)))
    }
}

impl Debug for Hearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hearing").field("from_others", &self.0.is_some()).finish()
    }
}

/// What to load. Made by [`Load::read`]; other fields are set on it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Load {
    /// The keys whose values are wanted.
    pub keys: Keys,
    /// The keys of the states whose turns are taken: all of them, or none.
    pub turns: &'static [&'static str],
    /// The longest wait for the turns.
    pub wait: Duration,
    /// The longest time that the turns are held, from when they are granted. After it they pass on, whether or not
    /// their holder lives.
    pub hold: Duration,
    /// The lease on the turns that the call before passed on to this one, if it did: see
    /// [`Backend::commit_in_line`].
    pub lease: Lease,
    /// Whether [`Attributes::ownership`] is wanted as well.
    pub ownership: bool,
}

impl Load {
    /// Of these keys, with no turn.
    pub fn read(keys: Keys) -> Self {
        let (wait, hold) = (Duration::ZERO, Duration::ZERO);
        Self { keys, turns: &[], wait, hold, lease: Lease(0), ownership: false }
    }
}

/// Which keys of a session are wanted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Keys {
    /// These, as far as they are stored.
    Only(&'static [&'static str]),
    /// All.
    All,
}

impl Keys {
    /// Whether this key is wanted.
    pub fn want(&self, key: &str) -> bool {
        match self {
            Self::Only(keys) => keys.contains(&key),
            Self::All => true,
        }
    }
}

/// Values under their keys.
pub type Values = SmallVec<[Stored; 2]>;

type Stored = (Cow<'static, str>, StoredValue);

/// A session as it was loaded. Made by [`Loaded::new`]; other fields are set on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// What the runtime keeps about the session.
    pub attributes: Attributes,
    /// When the session expires.
    pub expires: OffsetDateTime,
    /// The values that were asked for and are stored.
    pub values: Values,
    /// The lease on the turns that were asked for.
    pub lease: Lease,
}

impl Loaded {
    /// A session without a value, and without a lease.
    pub fn new(attributes: Attributes, expires: OffsetDateTime) -> Self {
        Self { attributes, expires, values: Values::new(), lease: Lease::default() }
    }

    /// The value under a key.
    pub fn value(&self, key: &str) -> Option<&StoredValue> {
        self.values.iter().find(|(stored, _)| stored == key).map(|(_, value)| value)
    }
}

/// Applies all of these changes, or none.
fn apply<A: Array<Item = Stored>>(values: &mut SmallVec<A>, changes: &Changes) -> Result<(), BackendError> {
    // All results first: a change that is refused leaves everything as it was.
    let mut results: SmallVec<[_; 2]> = SmallVec::with_capacity(changes.len());
    for (key, change) in changes {
        let at = values.iter().position(|(stored, _)| stored == key);
        let result = change.apply(at.map(|at| &values[at].1));
        results.push((key, result.map_err(|_| BackendError::NotAnObject(key.to_string()))?));
    }
    for (key, result) in results {
        let at = values.iter().position(|(stored, _)| stored == key);
        match (at, result) {
            (Some(at), Some(value)) => values[at].1 = value,
            (Some(at), None) => drop(values.swap_remove(at)),
            (None, Some(value)) => values.push((key.clone(), value)),
            (None, None) => {}
        }
    }
    Ok(())
}

/// Takes leases back for a backend, on tasks of their own.
pub(crate) struct Releases {
    pub(crate) backend: Arc<dyn Backend>,
    /// The longest time that it may take.
    pub(crate) limit: Duration,
}

impl LeaseHome for Releases {
    fn give_back(&self, session: SessionId, lease: Lease) {
        if let Answer::Pending(released) = self.backend.release(session, lease)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (limit, release) = (self.limit, self.backend.registry().release_begins());
            runtime.spawn(async move {
                timeout(limit, released).await.ok();
                drop(release);
            });
        }
    }
}

/// What to commit. Made by [`Commit::new`]; other fields are set on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Commit {
    /// The session.
    pub id: SessionId,
    /// The lease under which the changes were made.
    pub lease: Lease,
    /// What happens to the record.
    pub action: Action,
    /// The changed keys and fields.
    pub changes: Changes,
    /// What changes of the stored [`Attributes`].
    pub attributes: AttributeChanges,
    /// The new moment of expiry, where it changes.
    pub expires: Option<Expires>,
    /// With [`Action::End`]: somebody else than its own page has ended the session.
    pub revoked: bool,
    /// With [`Action::ChangeId`], or an owner that comes or goes: the session's attributes as they were before, by which an
    /// index of keys and owners is kept.
    pub loaded: Option<Box<Attributes>>,
}

impl Commit {
    /// One that changes no value, without a lease.
    pub fn new(id: SessionId, action: Action) -> Self {
        let (lease, changes, attributes) = Default::default();
        Self { id, lease, action, changes, attributes, expires: None, revoked: false, loaded: None }
    }

    /// The moment of expiry to store. `now`: the attributes as this commit leaves them. `None` if it stays as it is,
    /// also where somebody changed meanwhile what it was reckoned from.
    pub fn expires_beside(&self, now: &Attributes) -> Option<OffsetDateTime> {
        self.expires.and_then(|expires| expires.beside(now))
    }
}

/// What a commit does to a record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// A new record with these attributes, which expires at `expires`. Nobody was shown its id.
    Create(Attributes),
    /// An existing record changes.
    Update,
    /// An existing record changes and moves to a new id; the old one ends. `changes`, `attributes` and `expires` are
    /// those of the new record, which is there before nodes are told that the old one ended.
    ChangeId(SessionId),
    /// The record ends, whoever has a lease on it, and without changes. Where there is none, the error is
    /// [`BackendError::Gone`]: it may have changed its id.
    End,
}

/// Why a backend did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The session does not exist (any more).
    #[error("there is no such session")]
    Gone,
    /// The turns did not come within [`Load::wait`].
    #[error("the turn did not come in time")]
    TurnTimeout,
    /// The lease was lost: somebody else has the turn.
    #[error("the lease on the turn was lost")]
    TurnLost,
    /// Fields are to change in a value that isn't a JSON object: the one under this key.
    #[error("the value stored under `{0}` is no JSON object")]
    NotAnObject(String),
    /// The value under this key isn't JSON: it was left as it is.
    #[error("the value stored under `{0}` is no JSON")]
    NotJson(String),
    /// The commit was sent, but whether it took place is not known.
    #[error("the answer to a commit was lost")]
    OutcomeUnknown(#[source] Box<dyn StdError + Send + Sync>),
    /// A change of id took place: the record stands under its new id. Whether the old one is gone is not known.
    #[error("the session has its new id, but whether the old one has ended is not known")]
    OldIdMayLive(#[source] Box<dyn StdError + Send + Sync>),
    /// There is no room for another session, and nothing was written.
    #[error("there is no room for another session")]
    Full,
    /// Anything else. Nothing was written.
    #[error("the backend failed")]
    Failed(#[source] Box<dyn StdError + Send + Sync>),
}

impl BackendError {
    /// The backend failed, for this reason, and wrote nothing.
    pub fn failed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Failed(source.into())
    }
}
