//! Sessions in the memory of this process.

mod index;
mod room;

use std::{
    cmp::Ordering,
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use time::OffsetDateTime;
use tokio::time::Instant;

use self::{index::Index, room::Room};
use super::{
    Action, Answer, Attributes, Backend, BackendError, Commit, Lease, Load, Loaded, Owners, Stored, Values,
    apply,
};
use crate::{
    background::Background,
    clock::Now,
    process::Registry,
    session::id::{BySession, SessionId},
};

/// So many that a sweep of one holds up nobody for long: of a million sessions, four thousand.
const SHARDS: usize = 256;

/// A shard is swept this often for sessions that have expired; all of them in [`SHARDS`] times this.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// Keeps sessions in memory: fast, gone with the process, and for one process only.
///
/// Cheap to clone; clones share the sessions and the order of turns. Sessions that have expired are freed within
/// about a minute.
///
/// ```
/// use socketioxide_session::{MemoryBackend, SessionLayer};
///
/// let layer = SessionLayer::new(MemoryBackend::default());
/// ```
#[derive(Clone)]
pub struct MemoryBackend {
    sessions: Arc<Sessions>,
    registry: Registry,
}

struct Sessions {
    shards: Box<[Mutex<Shard>]>,
    sweep: Background,
    /// Where their number is bounded.
    room: OnceLock<Room>,
    index: Index,
}

/// Records are boxed, for a table that grows has up to twice the room that it needs.
type Shard = BySession<Box<Record>>;

struct Record {
    attributes: Attributes,
    expires: OffsetDateTime,
    /// The same by the clock that is cheaper to read.
    dies: Instant,
    /// Most sessions have one state.
    values: SmallVec<[Stored; 1]>,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let sessions =
            Sessions { shards, sweep: Background::default(), room: OnceLock::new(), index: Index::default() };
        Self { sessions: Arc::new(sessions), registry: Registry::default() }
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").finish_non_exhaustive()
    }
}

impl MemoryBackend {
    /// An empty backend.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds so many sessions at most. Default: as many as begin.
    ///
    /// Where one more begins, the oldest unwritten session gives way: one that a handshake began, and in which nothing was
    /// written since (its page gets another one). If there is none of these, and none that has expired, the new session is
    /// refused: [`Backend`](crate::ErrorKind::Backend) (503), which the log tells once a minute. So a flood of visitors logs
    /// nobody out.
    ///
    /// ```
    /// use socketioxide_session::{MemoryBackend, SessionLayer};
    ///
    /// let layer = SessionLayer::new(MemoryBackend::default().with_max_sessions(1_000_000));
    /// ```
    #[must_use]
    pub fn with_max_sessions(self, most: usize) -> Self {
        self.sessions.bound(most);
        self
    }

    /// How many sessions are held, among them some that have expired and are not freed yet.
    pub fn len(&self) -> usize {
        self.sessions.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether no session is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Backend for MemoryBackend {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>> {
        Answer::Ready(Ok(self.sessions.load(id, load)))
    }

    fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>> {
        Answer::Ready(self.sessions.commit(&commit))
    }

    fn owners(&self) -> Option<&dyn Owners> {
        Some(&*self.sessions)
    }
}

impl Record {
    fn new(attributes: &Attributes, commit: &Commit) -> Result<Self, BackendError> {
        let attributes = attributes.clone();
        let expires = commit.expires.map_or(attributes.created, |expires| expires.at);
        let dies = Now::read().instant_of(expires);
        let mut record = Self { attributes, expires, dies, values: SmallVec::new() };
        apply(&mut record.values, &commit.changes)?;
        Ok(record)
    }

    /// Changes it, unless it has expired.
    fn change(&mut self, commit: &Commit) -> Result<(), BackendError> {
        let now = Now::read();
        if self.dies <= now.instant {
            return Err(BackendError::Gone);
        }
        apply(&mut self.values, &commit.changes)?;
        commit.attributes.apply(&mut self.attributes);
        if let Some(expires) = commit.expires_beside(&self.attributes) {
            self.expires = expires;
            self.dies = now.instant_of(expires);
        }
        Ok(())
    }
}

impl Sessions {
    fn load(&self, id: SessionId, load: Load) -> Option<Loaded> {
        let shard = self.shard(id).lock();
        let Record { attributes, expires, dies, values } = &**shard.get(&id)?;
        if *dies <= Instant::now() {
            return None;
        }
        let mut wanted = Values::new();
        for (key, value) in values {
            if load.keys.want(key) {
                wanted.push((key.clone(), value.clone()));
            }
        }
        Some(Loaded {
            attributes: attributes.clone(),
            expires: *expires,
            values: wanted,
            lease: Lease::default(),
        })
    }

    fn commit(self: &Arc<Self>, commit: &Commit) -> Result<(), BackendError> {
        match &commit.action {
            Action::Update => {
                let mut shard = self.shard(commit.id).lock();
                let record = shard.get_mut(&commit.id).ok_or(BackendError::Gone)?;
                let before = gives_owner(commit).then(|| record.attributes.clone());
                record.change(commit)?;
                if let Some(before) = before {
                    self.index.change_owner(&before, &record.attributes);
                }
                Ok(())
            }
            Action::Create(attributes) => self.create(attributes, commit),
            Action::ChangeId(new) => self.change_id(*new, commit),
            Action::End => self.end(commit.id),
        }
    }

    fn create(self: &Arc<Self>, attributes: &Attributes, commit: &Commit) -> Result<(), BackendError> {
        self.sweep_from_now_on();
        let record = Box::new(Record::new(attributes, commit)?);
        let room = self.room.get();
        if let Some(room) = room {
            self.take_room(room)?;
        }
        {
            let mut shard = self.shard(commit.id).lock();
            self.index.put(commit.id, &record.attributes);
            shard.insert(commit.id, record);
        }
        if let Some(room) = room.filter(|_| attributes.provisional) {
            self.note_unwritten(room, commit.id);
        }
        Ok(())
    }

    /// The record moves under both locks: at no moment is it nowhere for somebody who looks for all of an owner's.
    fn change_id(&self, new: SessionId, commit: &Commit) -> Result<(), BackendError> {
        let (mut of_old, mut of_new) = self.both_shards(commit.id, new);
        let record = of_old.get_mut(&commit.id).ok_or(BackendError::Gone)?;
        let before = gives_owner(commit).then(|| record.attributes.clone());
        record.change(commit)?;
        if let Some(record) = of_old.remove(&commit.id) {
            if let Some(before) = before {
                self.index.change_owner(&before, &record.attributes);
            }
            self.index.put(new, &record.attributes);
            of_new.as_deref_mut().unwrap_or(&mut of_old).insert(new, record);
        }
        Ok(())
    }

    /// The shard of each; `None` where that is the same. Of two, the first in their order is locked first.
    fn both_shards(
        &self,
        one: SessionId,
        other: SessionId,
    ) -> (MutexGuard<'_, Shard>, Option<MutexGuard<'_, Shard>>) {
        match one.shard(SHARDS).cmp(&other.shard(SHARDS)) {
            Ordering::Equal => (self.shard(one).lock(), None),
            Ordering::Less => {
                let of_one = self.shard(one).lock();
                (of_one, Some(self.shard(other).lock()))
            }
            Ordering::Greater => {
                let of_other = self.shard(other).lock();
                (self.shard(one).lock(), Some(of_other))
            }
        }
    }

    fn end(&self, id: SessionId) -> Result<(), BackendError> {
        let removed = self.shard(id).lock().remove(&id);
        if let Some(record) = &removed {
            self.index.remove(id, record);
        }
        if let Some(room) = self.room.get()
            && removed.is_some()
        {
            room.leave(1);
        }
        removed.filter(|record| record.dies > Instant::now()).map(drop).ok_or(BackendError::Gone)
    }

    fn shard(&self, id: SessionId) -> &Mutex<Shard> {
        &self.shards[id.shard(SHARDS)]
    }

    /// Starts the one task that frees what has expired, a shard at a time; it ends with the backend.
    fn sweep_from_now_on(self: &Arc<Self>) {
        if !self.sweep.runs() {
            let sessions = Arc::downgrade(self);
            self.sweep.start(move || sweep(Weak::clone(&sessions)), || {});
        }
    }

    /// Frees what has expired, and says how many that were.
    fn sweep_shard(&self, shard: &mut Shard, now: Instant) -> usize {
        let before = shard.len();
        shard.retain(|id, record| {
            let lives = record.dies > now;
            if !lives {
                self.index.remove(*id, record);
            }
            lives
        });
        let freed = before - shard.len();
        if let Some(room) = self.room.get() {
            room.leave(freed);
        }
        freed
    }
}

async fn sweep(sessions: Weak<Sessions>) {
    for shard in (0..SHARDS).cycle() {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let mut shard = sessions.shards[shard].lock();
        sessions.sweep_shard(&mut shard, Instant::now());
        let spare = shard.capacity() / 4;
        if shard.len() < spare {
            shard.shrink_to(spare);
        }
    }
}

/// Whether it says whose the session is.
fn gives_owner(commit: &Commit) -> bool {
    commit.attributes.ownership.as_ref().is_some_and(|changes| changes.owner.is_some())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;
    use crate::{
        backend::{Expires, Keys},
        clock,
        session::key::SessionKey,
    };

    fn now<T>(answer: Answer<T>) -> T {
        match answer {
            Answer::Ready(answer) => answer,
            Answer::Pending(_) => panic!("memory is at hand"),
        }
    }

    #[tokio::test]
    async fn a_session_whose_id_changes_is_somewhere_at_any_moment() {
        let backend = MemoryBackend::default();
        let mut id = SessionId::random();
        let attributes = Attributes::new(id);
        let key = SessionKey::from(Arc::clone(&attributes.key));
        let expires = Some(Expires::reckoned(clock::now() + Duration::from_mins(10), &attributes));
        let begins = Commit { expires, ..Commit::new(id, Action::Create(attributes)) };
        now(backend.commit(begins)).unwrap_or_else(|error| panic!("{error}"));
        let (looks, done) = (backend.clone(), Arc::new(AtomicBool::new(false)));
        let is_done = Arc::clone(&done);
        let looking = thread::spawn(move || {
            let find = || now(looks.owners().unwrap().find(&key)).unwrap().unwrap();
            while !is_done.load(Ordering::Relaxed) {
                let found = find();
                if now(looks.load(found, Load::read(Keys::All))).unwrap().is_none() {
                    assert_ne!(find(), found, "a session is nowhere");
                }
            }
        });
        for _ in 0..200_000 {
            let new = SessionId::random();
            now(backend.commit(Commit::new(id, Action::ChangeId(new)))).unwrap();
            id = new;
        }
        done.store(true, Ordering::Relaxed);
        looking.join().unwrap();
    }
}
