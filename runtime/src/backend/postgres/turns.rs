//! Leases: taking one and loading in one round trip, waiting in the line in this process until woken, and keeping those
//! alive that this process holds.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sqlx::{Row as _, postgres::PgRow};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use super::{
    node::Node,
    records::{Reader, decode, get, wanted},
    wire::{Wire, span, unique},
    writer::{UnderLease, Woken, Writer},
};
use crate::{
    backend::{
        Arrivals, BackendError, Commit, Lease, Load, Loaded,
        millis::LONGEST,
        relay::{self, Asked, Done, Engine, Held, HeldLeases, Stored},
    },
    session::id::SessionId,
};

/// Beyond the moment at which a lease ends, so that it has ended in PostgreSQL's milliseconds, too.
const GRACE: Duration = Duration::from_millis(5);

/// The leases that this process holds, and its calls that wait for one.
pub(super) struct Leases {
    wire: Arc<Wire>,
    node: Node,
    reader: Arc<Reader>,
    /// How long a lease lasts unless it is renewed.
    length: Duration,
    /// The longest pause before a call that waits looks again.
    look: Duration,
    held: HeldLeases<Own>,
    waiting: Mutex<HashMap<i64, Arc<Notify>>>,
    granted: AtomicU64,
}

/// What PostgreSQL knows a lease by.
pub(super) struct Own {
    pub(super) ticket: i64,
    number: i64,
}

/// The leases of this process on PostgreSQL, and the commits under them.
pub(super) struct Turns {
    pub(super) node: Node,
    pub(super) leases: Arc<Leases>,
    pub(super) writer: Writer,
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
        self.leases.release(id, held.own.ticket).await;
    }

    async fn commit(
        &self,
        commit: &Commit,
        under: Option<relay::UnderLease<'_, Own>>,
        stored: &[Stored],
    ) -> Result<Done, BackendError> {
        let under = under.map(|relay::UnderLease { held, keep }| UnderLease {
            ticket: held.own.ticket,
            states: held.states,
            keep,
            length: held.length,
            hold: held.hold,
        });
        let (done, woken) = self.writer.commit(commit, under, stored).await?;
        match woken {
            Woken::These(tickets) => tickets.into_iter().for_each(|ticket| self.leases.wake(ticket)),
            Woken::Unknown => self.leases.wake_all(),
        }
        Ok(done)
    }
}

impl Leases {
    pub(super) fn new(
        wire: Arc<Wire>,
        node: Node,
        reader: Arc<Reader>,
        length: Duration,
        look: Duration,
    ) -> Self {
        let (held, waiting, granted) = Default::default();
        Self { wire, node, reader, length, look, held, waiting, granted }
    }

    /// The turn of the call with this ticket may have come.
    pub(super) fn wake(&self, ticket: i64) {
        if let Some(waiting) = self.waiting.lock().get(&ticket) {
            waiting.notify_one();
        }
    }

    /// Messages may have been missed: everybody looks again.
    pub(super) fn wake_all(&self) {
        self.waiting.lock().values().for_each(|waiting| waiting.notify_one());
    }

    /// Takes the turns and loads.
    pub(super) async fn take(
        self: &Arc<Self>,
        id: SessionId,
        load: Load,
    ) -> Result<Option<Loaded>, BackendError> {
        let deadline = Instant::now() + load.wait.min(LONGEST);
        let mut place = Place { leases: Arc::clone(self), id, ticket: unique(), in_line: true };
        let woken = Arc::new(Notify::new());
        self.waiting.lock().insert(place.ticket, Arc::clone(&woken));
        let hidden = self.wire.hidden(id);
        let hidden = &hidden.as_bytes()[..];
        let states: Vec<_> = load.turns.iter().map(|state| state.as_bytes()).collect();
        loop {
            let asked = Asked::now(self.node.arrivals(id));
            let take = || {
                let take = sqlx::query(&self.wire.statements.take).bind(hidden).bind(wanted(load.keys));
                let take = take.bind(states.clone()).bind(place.ticket).bind(&*self.wire.node);
                take.bind(span(self.length)).bind(span(load.hold))
            };
            let row = self.wire.link.ask(take).await?;
            let row = row.ok_or_else(|| BackendError::failed("PostgreSQL gave no answer"))?;
            let again = match get(&row, "answer")? {
                "granted" => {
                    let lease = Lease(self.granted.fetch_add(1, Ordering::Relaxed) + 1);
                    let loaded = decode(&row, lease, load.ownership)?;
                    let own = Own { ticket: place.ticket, number: get(&row, "number")? };
                    let held = Held::granted(load, asked, self.length, &loaded, stored(&row)?, own);
                    self.held.lock().insert((id, lease), Arc::new(held));
                    place.in_line = false;
                    return Ok(Some(loaded));
                }
                "gone" => {
                    place.in_line = false;
                    self.reader.found_gone(id).await?;
                    return Ok(None);
                }
                _ => Duration::from_millis(get::<i64>(&row, "again")?.max(0).cast_unsigned()),
            };
            // Who waits shows in between that it lives; whoever does not is passed over after a lease.
            let again = (again + GRACE).min(self.length / 2).min(self.look);
            timeout_at(deadline.min(Instant::now() + again), woken.notified()).await.ok();
            if Instant::now() >= deadline {
                return Err(BackendError::TurnTimeout);
            }
        }
    }

    /// Ends the leases of a call, and its waiting.
    async fn release(&self, id: SessionId, ticket: i64) {
        let hidden = self.wire.hidden(id);
        let hidden = &hidden.as_bytes()[..];
        let release =
            || sqlx::query(&self.wire.statements.release).bind(hidden).bind(ticket).bind(&*self.wire.node);
        match self.wire.link.ask(release).await {
            Ok(row) => {
                let woken = row.and_then(|row| row.try_get::<Vec<i64>, _>(0).ok());
                woken.into_iter().flatten().for_each(|ticket| self.wake(ticket));
            }
            Err(error) => {
                tracing::warn!(%error, "a turn could not be given back; it passes on when its lease ends");
            }
        }
    }

    async fn renew(&self) {
        let (numbers, tickets): (Vec<_>, Vec<_>) = {
            let held = self.held.lock();
            let renewed = held.values().filter(|held| held.is_renewed());
            renewed.map(|held| (held.own.number, held.own.ticket)).unzip()
        };
        if numbers.is_empty() {
            return;
        }
        let renew = || {
            let renew = sqlx::query(&self.wire.statements.renew).bind(&*numbers).bind(&*tickets);
            renew.bind(span(self.length))
        };
        if let Err(error) = self.wire.link.ask(renew).await {
            tracing::warn!(%error, "the leases on turns could not be renewed");
        }
    }
}

/// The values of a row, with what tells them from others.
fn stored(row: &PgRow) -> Result<Vec<Stored>, BackendError> {
    let keys: Option<Vec<Vec<u8>>> = get(row, "keys")?;
    let values: Option<Vec<Vec<u8>>> = get(row, "vals")?;
    let versions: Option<Vec<i64>> = get(row, "versions")?;
    let values = values.into_iter().flatten().zip(versions.into_iter().flatten());
    let stored = keys.into_iter().flatten().zip(values).filter_map(|(key, (json, version))| {
        // A key that is no text was damaged, and the session could not be read.
        Some(Stored { key: String::from_utf8(key).ok()?.into(), json, version })
    });
    Ok(stored.collect())
}

/// Renews the leases that are held, until the backend is gone.
pub(super) async fn keep_alive(leases: Weak<Leases>) {
    loop {
        let Some(length) = leases.upgrade().map(|leases| leases.length) else { return };
        sleep(length / 3).await;
        let Some(leases) = leases.upgrade() else { return };
        leases.renew().await;
    }
}

/// A call in the line. Dropped before it has its turns, it leaves the line, and gives back what it was granted without
/// hearing of it.
struct Place {
    leases: Arc<Leases>,
    id: SessionId,
    ticket: i64,
    in_line: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leases.waiting.lock().remove(&self.ticket);
        if self.in_line
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (leases, id, ticket) = (Arc::clone(&self.leases), self.id, self.ticket);
            runtime.spawn(async move { leases.release(id, ticket).await });
        }
    }
}
