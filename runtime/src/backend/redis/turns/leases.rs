//! Turns across processes: taking a lease and loading in one round trip, waiting in Redis's line until woken, and
//! keeping the leases alive that this process holds.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use redis::Value;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    backend::redis::{
        Inner,
        records::record::decode,
        source_of, unexpected,
        wire::{
            link::Failure,
            names::{SessionKeys, field, unique},
            scripts::{Answer, RELEASE, RENEW, TAKE, fields, run},
        },
    },
    backend::{Arrivals, BackendError, Keys, Lease, Load, Loaded},
    session::id::SessionId,
};

/// How many leases are renewed at one time.
const RENEWED_AT_ONCE: usize = 64;

/// Longer waits and holds are as good as endless.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Beyond the moment at which a lease ends, so that it has ended in Redis's milliseconds, too.
const GRACE: Duration = Duration::from_millis(5);

/// The leases that this process holds, and its calls that wait for one.
#[derive(Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<(SessionId, Lease), Arc<Held>>>,
    waiting: Mutex<HashMap<String, Arc<Notify>>>,
}

/// What a commit under a lease needs.
pub(crate) struct Held {
    pub(crate) ticket: String,
    pub(crate) states: Vec<&'static str>,
    /// The values as they stand in Redis: what the changed fields are merged into.
    pub(crate) stored: Vec<(String, Vec<u8>)>,
    /// The session as it was loaded, where that is what its states' writers load: a run may begin with it.
    pub(crate) loaded: Option<Loaded>,
    /// Those who had come when it was asked for.
    pub(crate) came: Arrivals,
    pub(crate) asked: Instant,
    /// For how long a call may hold it.
    pub(crate) hold: Duration,
    /// When the renewing ends.
    last: Mutex<Instant>,
}

impl Held {
    /// Another call begins to hold it.
    pub(crate) fn hold_from_now(&self) {
        *self.last.lock() = Instant::now() + self.hold;
    }
}

impl Leases {
    pub(crate) fn held(&self, id: SessionId, lease: Lease) -> Option<Arc<Held>> {
        self.held.lock().get(&(id, lease)).cloned()
    }

    pub(crate) fn forget(&self, id: SessionId, lease: Lease) -> Option<Arc<Held>> {
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

    fn to_renew(&self) -> Vec<(SessionId, String)> {
        let now = Instant::now();
        let held = self.held.lock();
        let renewed = held.iter().filter(|(_, held)| *held.last.lock() > now);
        renewed.map(|((id, _), held)| (*id, held.ticket.clone())).collect()
    }
}

/// A call in Redis's line. Dropped before it has its turns, it leaves the line, and gives back what it was granted
/// without hearing of it.
struct Place {
    inner: Arc<Inner>,
    id: SessionId,
    ticket: String,
    in_line: bool,
}

impl Place {
    fn new(inner: &Arc<Inner>, id: SessionId) -> (Self, Arc<Notify>) {
        let (ticket, woken) = (unique(), Arc::new(Notify::new()));
        inner.leases.waiting.lock().insert(ticket.clone(), Arc::clone(&woken));
        (Self { inner: Arc::clone(inner), id, ticket, in_line: true }, woken)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.leases.waiting.lock().remove(&self.ticket);
        if self.in_line
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (inner, id, ticket) = (Arc::clone(&self.inner), self.id, std::mem::take(&mut self.ticket));
            runtime.spawn(async move { inner.release(id, &ticket).await });
        }
    }
}

impl Inner {
    /// Takes the turns and loads.
    pub(crate) async fn take(
        self: &Arc<Self>,
        id: SessionId,
        load: Load<'_>,
    ) -> Result<Option<Loaded>, BackendError> {
        let keys = SessionKeys::new(&self.options.prefix, id);
        let deadline = Instant::now() + load.wait.min(LONGEST);
        let (mut place, woken) = Place::new(self, id);
        loop {
            let (came, asked) = (self.registry.arrivals(id), Instant::now());
            let answer = self.ask_for(&keys, &place.ticket, load).await?;
            match &*answer.word {
                "granted" => {
                    let loaded = self.granted(id, &place.ticket, load, (came, asked), &answer)?;
                    place.in_line = false;
                    return Ok(Some(loaded));
                }
                "gone" => {
                    place.in_line = false;
                    self.heard_of_end(id, answer.rest.first());
                    return Ok(None);
                }
                "wait" => {}
                _ => return Err(unexpected(&answer)),
            }
            let again = match answer.rest.first() {
                Some(Value::Int(milliseconds)) => {
                    Duration::from_millis((*milliseconds).try_into().unwrap_or(0))
                }
                _ => Duration::ZERO,
            };
            // Who waits shows in between that it lives; whoever does not is passed over after a lease.
            let again = (again + GRACE).min(self.options.lease / 2);
            timeout_at(deadline.min(Instant::now() + again), woken.notified()).await.ok();
            if Instant::now() >= deadline {
                return Err(BackendError::TurnTimeout);
            }
        }
    }

    async fn ask_for(
        &self,
        keys: &SessionKeys,
        ticket: &str,
        load: Load<'_>,
    ) -> Result<Answer, BackendError> {
        let mut script = TAKE.prepare_invoke();
        script.key(&keys.record).key(&keys.control).key(&keys.tombstone);
        script.arg(&self.options.prefix).arg(ticket).arg(&self.node);
        script
            .arg(whole_ms(self.options.lease))
            .arg(whole_ms(load.hold))
            .arg(load.turns.len())
            .arg(load.turns);
        match load.keys {
            Keys::All => {
                script.arg("*");
            }
            Keys::Only(wanted) => {
                script.arg("m").arg("x");
                for key in wanted {
                    script.arg(field(key));
                }
            }
        }
        let script = &script;
        self.link
            .call(|connection, _| async move { run(script, connection).await })
            .await
            .map_err(Failure::failed)
    }

    fn granted(
        &self,
        id: SessionId,
        ticket: &str,
        load: Load<'_>,
        (came, asked): (Arrivals, Instant),
        answer: &Answer,
    ) -> Result<Loaded, BackendError> {
        let Some(Value::Int(token)) = answer.rest.first() else { return Err(unexpected(answer)) };
        let lease = Lease(token.unsigned_abs());
        let fields = fields(answer.rest.get(1));
        let loaded = decode(&fields, lease)?;
        let stored = fields.into_iter().filter_map(|(name, value)| {
            let key = std::str::from_utf8(name.strip_prefix(b"v:")?).ok()?;
            load.turns.contains(&key).then(|| (key.to_owned(), value))
        });
        let only_writes = matches!(load.keys, Keys::Only(keys) if keys == load.turns);
        let longest = load.hold.min(LONGEST);
        let held = Held {
            ticket: ticket.to_owned(),
            states: load.turns.to_vec(),
            stored: stored.collect(),
            loaded: only_writes.then(|| loaded.clone()),
            came,
            asked,
            hold: longest,
            last: Mutex::new(asked + longest),
        };
        self.leases.held.lock().insert((id, lease), Arc::new(held));
        Ok(loaded)
    }

    /// Ends the leases of a call, and its waiting.
    pub(crate) async fn release(&self, id: SessionId, ticket: &str) {
        let keys = SessionKeys::new(&self.options.prefix, id);
        let mut script = RELEASE.prepare_invoke();
        script.key(&keys.control).arg(&self.options.prefix).arg(ticket);
        let script = &script;
        let released = self.link.call(|connection, _| async move { run(script, connection).await }).await;
        if let Err(failure) = released {
            let error = failure.failed();
            tracing::warn!(
                error = source_of(&error),
                "a turn could not be given back; it passes on when its lease ends"
            );
        }
    }

    async fn renew(&self, id: SessionId, ticket: String) {
        let keys = SessionKeys::new(&self.options.prefix, id);
        let mut script = RENEW.prepare_invoke();
        script.key(&keys.control).arg(&ticket).arg(whole_ms(self.options.lease));
        let script = &script;
        let renewed = self.link.call(|connection, _| async move { run(script, connection).await }).await;
        if let Err(failure) = renewed {
            let error = failure.failed();
            tracing::warn!(error = source_of(&error), "a lease on a turn could not be renewed");
        }
    }
}

/// Renews the leases that are held, until the backend is gone.
pub(crate) async fn keep_alive(inner: Weak<Inner>, lease: Duration) {
    loop {
        sleep(lease / 3).await;
        let Some(inner) = inner.upgrade() else { return };
        let inner = &*inner;
        stream::iter(inner.leases.to_renew())
            .for_each_concurrent(RENEWED_AT_ONCE, |(id, ticket)| inner.renew(id, ticket))
            .await;
    }
}

/// In milliseconds, which Redis counts in Lua's numbers.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}
