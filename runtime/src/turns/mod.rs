//! The queues of turns: one per state of a session, first come, first served.
//!
//! All queues of a session stand under one short mutex (shared with the few other sessions of its shard), which
//! is never held across an await. A call takes its places in all the queues it needs in one go under it. So calls
//! of a session are totally ordered, and the eldest one that still waits waits for nobody: there is no deadlock.
//!
//! In a queue, a writer is ready when it is the first; readers are ready when only readers are before them. A call
//! has its turn when all its places are ready. A reader gives its places up as soon as it has its snapshot.

mod calls;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use tokio::time::{Instant, sleep, sleep_until};

use self::calls::Calls;
use crate::{
    error::{Error, ErrorKind},
    id::SessionId,
};

const SHARDS: usize = 64;

/// What a call does to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A snapshot of it.
    Read,
    /// A change of it, under the turn.
    Write,
}

/// The limits of a wait, from the layer's configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest wait for a turn.
    pub(crate) wait: Duration,
    /// The longest time that a turn may be held when others wait, and after which its commit is refused.
    pub(crate) hold: Duration,
    /// The most calls in one queue.
    pub(crate) waiters: usize,
}

/// The queues of all sessions of this process.
pub(crate) struct Turns {
    shards: Box<[Mutex<Shard>]>,
}

type Shard = HashMap<SessionId, Session>;

/// The queues of one session. It exists while a call has a place in one of them.
#[derive(Default)]
struct Session {
    calls: Calls<Call>,
    next: u64,
    queues: SmallVec<[Queue; 2]>,
    /// Those that have their turn and keep a place.
    holders: SmallVec<[u64; 4]>,
}

struct Queue {
    key: &'static str,
    places: VecDeque<Place>,
}

struct Place {
    call: u64,
    mode: Mode,
    ready: bool,
}

struct Call {
    /// Places that are not ready.
    blocked: usize,
    waker: Option<Waker>,
    phase: Phase,
    limits: Limits,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Holding {
        until: Instant,
    },
    /// The commit is on its way to the backend: nobody can take the turn any more.
    Committing,
    Lost,
}

type Wakers = SmallVec<[Waker; 4]>;

impl Turns {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Takes a place in the queue of each of these states, all at one moment.
    pub(crate) fn join(
        self: &Arc<Self>,
        session: SessionId,
        plan: &[(&'static str, Mode)],
        limits: Limits,
    ) -> Result<Ticket, Error> {
        let mut shard = self.shard(session);
        let queues = shard.entry(session).or_default();
        match queues.join(plan, limits) {
            Some(call) => {
                drop(shard);
                Ok(Ticket { turns: Arc::clone(self), session, call })
            }
            None => Err(Error::new(ErrorKind::TooManyWaiters)),
        }
    }

    /// How many sessions have queues at this moment.
    #[cfg(test)]
    pub(crate) fn sessions(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, session: SessionId) -> MutexGuard<'_, Shard> {
        self.shards[session.shard(SHARDS)].lock()
    }

    /// Acts on a session's queues, frees them if they are empty after it, and wakes whose turn has come.
    fn with<R>(&self, session: SessionId, act: impl FnOnce(&mut Session, &mut Wakers) -> R) -> Option<R> {
        let mut wakers = Wakers::new();
        let mut shard = self.shard(session);
        let queues = shard.get_mut(&session)?;
        let result = act(queues, &mut wakers);
        if queues.calls.is_empty() {
            shard.remove(&session);
        }
        drop(shard);
        wakers.into_iter().for_each(Waker::wake);
        Some(result)
    }
}

impl Session {
    fn join(&mut self, plan: &[(&'static str, Mode)], limits: Limits) -> Option<u64> {
        let full = |queue: &Queue| {
            queue.places.len() > limits.waiters && plan.iter().any(|(key, _)| *key == queue.key)
        };
        if self.queues.iter().any(full) {
            return None;
        }
        let call = self.next;
        self.next += 1;
        let mut blocked = 0;
        for &(key, mode) in plan {
            let places = self.places(key);
            let ready = match places.back() {
                None => true,
                Some(last) => mode == Mode::Read && last.mode == Mode::Read && last.ready,
            };
            places.push_back(Place { call, mode, ready });
            blocked += usize::from(!ready);
        }
        self.calls.push(call, Call { blocked, waker: None, phase: Phase::Waiting, limits });
        Some(call)
    }

    fn places(&mut self, key: &'static str) -> &mut VecDeque<Place> {
        let at = self.queues.iter().position(|queue| queue.key == key).unwrap_or_else(|| {
            self.queues.push(Queue { key, places: VecDeque::new() });
            self.queues.len() - 1
        });
        &mut self.queues[at].places
    }

    /// The turn, if it has come.
    fn grant(&mut self, id: u64) -> bool {
        let Some(call) = self.calls.get_mut(id) else { return false };
        if call.phase == Phase::Waiting && call.blocked == 0 {
            call.phase = Phase::Holding { until: Instant::now() + call.limits.hold };
            call.waker = None;
            self.holders.push(id);
        }
        call.phase != Phase::Waiting
    }

    /// Gives up the call's places of these modes.
    fn leave(&mut self, id: u64, which: impl Fn(Mode) -> bool, wakers: &mut Wakers) {
        for queue in &mut self.queues {
            let Some(at) = queue.places.iter().position(|place| place.call == id && which(place.mode)) else {
                continue;
            };
            queue.places.remove(at);
            settle(&mut queue.places, at, &mut self.calls, wakers);
        }
        self.queues.retain(|queue| !queue.places.is_empty());
    }

    fn end(&mut self, id: u64, wakers: &mut Wakers) {
        self.leave(id, |_| true, wakers);
        self.calls.remove(id);
        self.holders.retain(|holder| *holder != id);
    }

    /// Takes the turn from holders that are over their limit.
    fn pass_on_overdue(&mut self, now: Instant, wakers: &mut Wakers) {
        let overdue = |calls: &Calls<Call>, id: u64| matches!(calls.get(id), Some(Call { phase: Phase::Holding { until }, .. }) if *until <= now);
        let ids: SmallVec<[u64; 4]> =
            self.holders.iter().copied().filter(|id| overdue(&self.calls, *id)).collect();
        for id in ids {
            self.leave(id, |_| true, wakers);
            self.holders.retain(|holder| *holder != id);
            if let Some(call) = self.calls.get_mut(id) {
                call.phase = Phase::Lost;
            }
        }
    }

    /// When the first of those that hold a turn will be over its limit.
    fn next_overdue(&self) -> Option<Instant> {
        let until = |id: &u64| match self.calls.get(*id)?.phase {
            Phase::Holding { until } => Some(until),
            _ => None,
        };
        self.holders.iter().filter_map(until).min()
    }
}

/// Marks those ready who became so when the place at `at` was given up.
fn settle(places: &mut VecDeque<Place>, at: usize, calls: &mut Calls<Call>, wakers: &mut Wakers) {
    let only_readers_before = at == 0 || (places[at - 1].mode == Mode::Read && places[at - 1].ready);
    if !only_readers_before {
        return;
    }
    for (index, place) in places.iter_mut().enumerate().skip(at) {
        if place.ready || (place.mode == Mode::Write && index > 0) {
            break;
        }
        place.ready = true;
        if let Some(call) = calls.get_mut(place.call) {
            call.blocked -= 1;
            if call.blocked == 0 {
                wakers.extend(call.waker.take());
            }
        }
        if place.mode == Mode::Write {
            break;
        }
    }
}

/// A call's places in the queues of a session, from its arrival on. Dropping it gives them up.
pub(crate) struct Ticket {
    turns: Arc<Turns>,
    session: SessionId,
    call: u64,
}

impl Ticket {
    /// Waits for the turn.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the places up; the queues are whole after it.
    pub(crate) async fn turn(self) -> Result<Turn, Error> {
        let Some(limits) = self.limits_unless_granted() else { return Ok(Turn(self)) };
        let deadline = Instant::now() + limits.wait;
        loop {
            let overdue = self.with(|session, _| session.next_overdue()).flatten();
            let wake_at = overdue.map_or(deadline, |overdue| overdue.min(deadline));
            tokio::select! {
                biased;
                () = self.granted() => return Ok(Turn(self)),
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Error::new(ErrorKind::TurnTimeout));
            }
            self.with(|session, wakers| session.pass_on_overdue(now, wakers));
        }
    }

    fn limits_unless_granted(&self) -> Option<Limits> {
        self.with(|session, _| {
            if session.grant(self.call) { None } else { session.calls.get(self.call).map(|call| call.limits) }
        })
        .flatten()
    }

    async fn granted(&self) {
        poll_fn(|context| {
            let granted = self.with(|session, _| {
                if session.grant(self.call) {
                    return true;
                }
                if let Some(call) = session.calls.get_mut(self.call) {
                    match &mut call.waker {
                        Some(waker) => waker.clone_from(context.waker()),
                        none => *none = Some(context.waker().clone()),
                    }
                }
                false
            });
            if granted == Some(false) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    fn with<R>(&self, act: impl FnOnce(&mut Session, &mut Wakers) -> R) -> Option<R> {
        self.turns.with(self.session, act)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.with(|session, wakers| session.end(self.call, wakers));
    }
}

/// The right to read and write the states of the plan. Dropping it passes it on.
pub(crate) struct Turn(Ticket);

impl Turn {
    /// Waits for the backend, which may itself wait for a turn of another process: that is no time of holding,
    /// as long as it is no longer than the longest wait.
    pub(crate) async fn while_loading<F: Future>(&self, load: F) -> F::Output {
        let mut load = pin!(load);
        let limits = self.0.with(|session, _| session.calls.get(self.0.call).map(|call| call.limits));
        let Some(Some(limits)) = limits else { return load.await };
        let begun = Instant::now();
        let mut tick = (limits.hold / 2).max(Duration::from_millis(1));
        loop {
            tokio::select! {
                biased;
                output = &mut load => {
                    self.hold_from_now();
                    return output;
                }
                () = sleep(tick) => {}
            }
            if begun.elapsed() < limits.wait {
                self.hold_from_now();
            } else {
                tick = Duration::MAX;
            }
        }
    }

    fn hold_from_now(&self) {
        self.0.with(|session, _| {
            if let Some(call) = session.calls.get_mut(self.0.call)
                && let Phase::Holding { until } = &mut call.phase
            {
                *until = Instant::now() + call.limits.hold;
            }
        });
    }

    /// Gives up the places of a reader, which has its snapshot.
    pub(crate) fn release_reads(&self) {
        self.0.with(|session, wakers| session.leave(self.0.call, |mode| mode == Mode::Read, wakers));
    }

    /// Says that the commit begins: from now on the turn cannot pass on before its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TurnLost`] if it was held longer than its limit.
    pub(crate) fn begin_commit(&self) -> Result<(), Error> {
        let held = self.0.with(|session, _| {
            let call = session.calls.get_mut(self.0.call)?;
            match call.phase {
                Phase::Holding { until } if Instant::now() < until => {
                    call.phase = Phase::Committing;
                    Some(())
                }
                _ => None,
            }
        });
        held.flatten().ok_or_else(|| Error::new(ErrorKind::TurnLost))
    }
}
