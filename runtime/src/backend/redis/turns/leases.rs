//! Leases: taking one and loading in one round trip, waiting in Redis's line until woken, and keeping those alive that
//! this process holds.

use std::{
    borrow::Cow,
    collections::HashMap,
    error::Error as StdError,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    backend::{
        Arrivals, BackendError, Keys, Lease, Load, Loaded,
        redis::{
            node::Node,
            records::{
                reader::Reader,
                record::{Damaged, decode},
            },
            wire::{
                Wire,
                millis::LONGEST,
                names::{Record, SessionKeys, unique},
                scripts::{Keep, Release, Renew, Take, TakeAnswer, UnderLease},
            },
        },
    },
    session::id::SessionId,
};

/// How many leases are renewed at one time.
const RENEWED_AT_ONCE: usize = 64;

/// Beyond the moment at which a lease ends, so that it has ended in Redis's milliseconds, too.
const GRACE: Duration = Duration::from_millis(5);

/// The leases that this process holds, and its calls that wait for one.
pub(crate) struct Leases {
    wire: Arc<Wire>,
    node: Node,
    reader: Arc<Reader>,
    /// How long a lease lasts unless it is renewed.
    length: Duration,
    held: Mutex<HashMap<(SessionId, Lease), Arc<Held>>>,
    waiting: Mutex<HashMap<String, Arc<Notify>>>,
    /// How many leases were granted so far: by these numbers this process knows them, and Redis by their tickets.
    granted: AtomicU64,
}

/// A lease that this process holds, and what a commit under it needs.
pub(super) struct Held {
    pub(super) lease: Lease,
    keys: SessionKeys,
    pub(super) ticket: String,
    /// How it stands in Redis, if it is one and nobody waits.
    text: Option<String>,
    pub(super) states: Vec<&'static str>,
    /// The values as they stand in Redis: what the changed fields are merged into.
    pub(super) stored: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// The session as it was loaded, where that is what its states' writers load: a relay may begin with it.
    pub(super) loaded: Option<Loaded>,
    /// Those who had come when it was asked for.
    pub(super) came: Arrivals,
    pub(super) asked: Instant,
    /// For how long a call may hold it.
    pub(super) hold: Duration,
    /// How long it lasts unless it is renewed.
    pub(super) length: Duration,
    /// When the renewing ends.
    last: Mutex<Instant>,
}

impl Held {
    /// Another call begins to hold it.
    pub(super) fn hold_from_now(&self) {
        *self.last.lock() = Instant::now() + self.hold;
    }

    pub(super) fn under(&self, keep: Keep) -> UnderLease<'_> {
        let Self { keys, ticket, text, states, length, hold, .. } = self;
        UnderLease { keys, ticket, text: text.as_deref(), states, keep, length: *length, hold: *hold }
    }
}

/// When a lease was asked for, and who had come by then.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    came: Arrivals,
}

impl Leases {
    pub(crate) fn new(wire: Arc<Wire>, node: Node, reader: Arc<Reader>, length: Duration) -> Self {
        Self {
            wire,
            node,
            reader,
            length,
            held: Mutex::default(),
            waiting: Mutex::default(),
            granted: AtomicU64::new(0),
        }
    }

    pub(super) fn held(&self, id: SessionId, lease: Lease) -> Option<Arc<Held>> {
        self.held.lock().get(&(id, lease)).cloned()
    }

    pub(super) fn forget(&self, id: SessionId, lease: Lease) -> Option<Arc<Held>> {
        self.held.lock().remove(&(id, lease))
    }

    /// Redis says that the turn of this call has come.
    pub(crate) fn wake(&self, ticket: &str) {
        if let Some(waiting) = self.waiting.lock().get(ticket) {
            waiting.notify_one();
        }
    }

    /// Messages may have been missed: everybody looks again.
    pub(crate) fn wake_all(&self) {
        self.waiting.lock().values().for_each(|waiting| waiting.notify_one());
    }

    /// Takes the turns and loads.
    pub(crate) async fn take(
        self: &Arc<Self>,
        id: SessionId,
        load: Load,
    ) -> Result<Option<Loaded>, BackendError> {
        let deadline = Instant::now() + load.wait.min(LONGEST);
        let mut place = Place::new(self, id);
        if let Some(loaded) = self.take_at_once(&mut place, load).await? {
            return Ok(Some(loaded));
        }
        let woken = place.be_woken();
        loop {
            let asked = Asked { came: self.node.arrivals(id), at: Instant::now() };
            let take = Take { keys: &place.keys, ticket: &place.ticket, lease: self.length, load };
            let again = match take.send(&self.wire).await? {
                TakeAnswer::Granted(values) => {
                    let record = take.record(values);
                    return self.granted(&mut place, load, asked, record, None).map(Some);
                }
                TakeAnswer::Gone(tombstone) => {
                    place.in_line = false;
                    self.reader.found_gone(id, tombstone);
                    return Ok(None);
                }
                TakeAnswer::Broken => return Err(BackendError::failed(Damaged("m"))),
                TakeAnswer::Wait(milliseconds) => Duration::from_millis(milliseconds),
            };
            // Who waits shows in between that it lives; whoever does not is passed over after a lease.
            let again = (again + GRACE).min(self.length / 2);
            timeout_at(deadline.min(Instant::now() + again), woken.notified()).await.ok();
            if Instant::now() >= deadline {
                return Err(BackendError::TurnTimeout);
            }
        }
    }

    /// Takes a turn of a session of which nobody has or wants one, as it is as a rule.
    async fn take_at_once(&self, place: &mut Place, load: Load) -> Result<Option<Loaded>, BackendError> {
        let take = Take { keys: &place.keys, ticket: &place.ticket, lease: self.length, load };
        let Some(text) = take.text() else { return Ok(None) };
        let asked = Asked { came: self.node.arrivals(place.id), at: Instant::now() };
        let Some(values) = take.send_text(&self.wire, &text).await? else { return Ok(None) };
        let record = take.record(values);
        self.granted(place, load, asked, record, Some(text)).map(Some)
    }

    fn granted(
        &self,
        place: &mut Place,
        load: Load,
        asked: Asked,
        record: Record,
        text: Option<String>,
    ) -> Result<Loaded, BackendError> {
        let lease = Lease(self.granted.fetch_add(1, Ordering::Relaxed) + 1);
        let loaded = decode(&record, lease)?;
        let mut stored = record.values;
        stored.retain(|(key, _)| load.turns.contains(&&**key));
        let only_writes = matches!(load.keys, Keys::Only(keys) if keys == load.turns);
        let longest = load.hold.min(LONGEST);
        let held = Held {
            lease,
            keys: place.keys.clone(),
            ticket: place.ticket.clone(),
            text,
            states: load.turns.to_vec(),
            stored,
            loaded: only_writes.then(|| loaded.clone()),
            came: asked.came,
            asked: asked.at,
            hold: longest,
            length: self.length,
            last: Mutex::new(asked.at + longest),
        };
        self.held.lock().insert((place.id, lease), Arc::new(held));
        place.in_line = false;
        Ok(loaded)
    }

    /// Ends the leases of a call, and its waiting.
    pub(super) async fn release(&self, id: SessionId, ticket: &str) {
        let keys = self.wire.keys(id);
        let release = Release { keys: &keys, ticket };
        if let Err(error) = release.send(&self.wire).await {
            tracing::warn!(
                error = source_of(&error),
                "a turn could not be given back; it passes on when its lease ends"
            );
        }
    }

    async fn renew(&self, id: SessionId, ticket: String) {
        let keys = self.wire.keys(id);
        let renew = Renew { keys: &keys, ticket: &ticket, lease: self.length };
        if let Err(error) = renew.send(&self.wire).await {
            tracing::warn!(error = source_of(&error), "a lease on a turn could not be renewed");
        }
    }

    fn to_renew(&self) -> Vec<(SessionId, String)> {
        let now = Instant::now();
        let held = self.held.lock();
        let renewed = held.iter().filter(|(_, held)| *held.last.lock() > now);
        renewed.map(|((id, _), held)| (*id, held.ticket.clone())).collect()
    }
}

/// Renews the leases that are held, until the backend is gone.
pub(crate) async fn keep_alive(leases: Weak<Leases>) {
    loop {
        let Some(length) = leases.upgrade().map(|leases| leases.length) else { return };
        sleep(length / 3).await;
        let Some(leases) = leases.upgrade() else { return };
        let leases = &*leases;
        stream::iter(leases.to_renew())
            .for_each_concurrent(RENEWED_AT_ONCE, |(id, ticket)| leases.renew(id, ticket))
            .await;
    }
}

fn source_of(error: &BackendError) -> Option<tracing::field::DisplayValue<&(dyn StdError + 'static)>> {
    error.source().map(tracing::field::display)
}

/// A call in Redis's line. Dropped before it has its turns, it leaves the line, and gives back what it was granted
/// without hearing of it.
struct Place {
    leases: Arc<Leases>,
    id: SessionId,
    keys: SessionKeys,
    ticket: String,
    in_line: bool,
}

impl Place {
    fn new(leases: &Arc<Leases>, id: SessionId) -> Self {
        let keys = leases.wire.keys(id);
        Self { leases: Arc::clone(leases), id, keys, ticket: unique(), in_line: true }
    }

    /// From now on, when Redis says that its turn has come.
    fn be_woken(&self) -> Arc<Notify> {
        let woken = Arc::new(Notify::new());
        self.leases.waiting.lock().insert(self.ticket.clone(), Arc::clone(&woken));
        woken
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leases.waiting.lock().remove(&self.ticket);
        if self.in_line
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (leases, id, ticket) = (Arc::clone(&self.leases), self.id, std::mem::take(&mut self.ticket));
            runtime.spawn(async move { leases.release(id, &ticket).await });
        }
    }
}
