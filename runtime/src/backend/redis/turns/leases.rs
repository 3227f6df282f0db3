//! Leases: taking one and loading in one round trip, waiting in Redis's line until woken, and keeping those alive that
//! this process holds.

use std::{
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
        Arrivals, BackendError, Commit, Lease, Load, Loaded,
        redis::{
            node::Node,
            records::{
                reader::Reader,
                record::{Damaged, decode},
                writer::Writer,
            },
            wire::{
                Wire,
                millis::LONGEST,
                names::{Record, SessionKeys, unique},
                scripts::{Release, Renew, Take, TakeAnswer, UnderLease},
            },
        },
        relay::{self, Asked, Done, Engine, Held, HeldLeases, Stored},
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
    held: HeldLeases<Own>,
    waiting: Mutex<HashMap<String, Arc<Notify>>>,
    /// How many leases were granted so far: by these numbers this process knows them, and Redis by their tickets.
    granted: AtomicU64,
}

/// What Redis is told of a lease.
pub(crate) struct Own {
    keys: SessionKeys,
    ticket: String,
    /// How it stands in Redis, if it is one and nobody waits.
    text: Option<String>,
}

/// The leases of this process on Redis, and the commits under them.
pub(crate) struct Turns {
    pub(crate) node: Node,
    pub(crate) leases: Arc<Leases>,
    pub(crate) writer: Arc<Writer>,
}

impl Engine for Turns {
    type Own = Own;

    fn arrivals(&self, id: SessionId) -> Arrivals {
        self.node.arrivals(id)
    }

    fn held(&self, id: SessionId, lease: Lease) -> Option<Arc<Held<Own>>> {
        self.leases.held.lock().get(&(id, lease)).cloned()
    }

    fn forget(&self, id: SessionId, lease: Lease) -> Option<Arc<Held<Own>>> {
        self.leases.held.lock().remove(&(id, lease))
    }

    async fn release(&self, id: SessionId, held: &Held<Own>) {
        self.leases.release(id, &held.own.ticket).await;
    }

    async fn commit(
        &self,
        commit: &Commit,
        under: Option<relay::UnderLease<'_, Own>>,
        stored: &[Stored],
    ) -> Result<Done, BackendError> {
        let under = under.map(|relay::UnderLease { held, keep }| {
            let Held { own: Own { keys, ticket, text }, states, length, hold, .. } = held;
            UnderLease { keys, ticket, text: text.as_deref(), states, keep, length: *length, hold: *hold }
        });
        self.writer.commit(commit, under, stored).await
    }
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
            let asked = Asked::now(self.node.arrivals(id));
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
        let asked = Asked::now(self.node.arrivals(place.id));
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
        let stored = record.values.into_iter().map(|(key, json)| Stored { key, json, version: 0 }).collect();
        let own = Own { keys: place.keys.clone(), ticket: place.ticket.clone(), text };
        let held = Held::granted(load, asked, self.length, &loaded, stored, own);
        self.held.lock().insert((place.id, lease), Arc::new(held));
        place.in_line = false;
        Ok(loaded)
    }

    /// Ends the leases of a call, and its waiting.
    async fn release(&self, id: SessionId, ticket: &str) {
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
        let held = self.held.lock();
        let renewed = held.iter().filter(|(_, held)| held.is_renewed());
        renewed.map(|((id, _), held)| (*id, held.own.ticket.clone())).collect()
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
