//! The queues of turns: one per state of a session, first come, first served.
//!
//! All queues of a session stand under one short mutex, which is never held across an await. A call takes its places
//! in all the queues it needs in one go under it. So calls of a session are totally ordered, and the eldest one that
//! still waits waits for nobody: there is no deadlock. The queues are found once, when a call joins them; they exist
//! while a call has a place in them.
//!
//! In a queue, a writer is ready when it is the first; readers are ready when only readers are before them. A call
//! has its turn when all its places are ready. A reader gives its places up as soon as it has its snapshot.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    task::Waker,
};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{Arrivals, Limits, Mode, Ticket, alarm::Alarm, calls::Calls, lease::HeldLease};
use crate::{
    clock,
    error::{Error, ErrorKind},
    session::id::SessionId,
};

const SHARDS: usize = 64;

/// The queues of all sessions of this process.
pub(crate) struct Turns {
    pub(super) shards: Box<[Mutex<Shard>]>,
    pub(super) alarm: Arc<Alarm>,
}

type Shard = HashMap<SessionId, Arc<Queues>, RandomState>;

/// The queues of one session, as its calls know them.
pub(super) struct Queues {
    pub(super) turns: Arc<Turns>,
    pub(super) id: SessionId,
    pub(super) session: Mutex<Session>,
}

#[derive(Default)]
pub(super) struct Session {
    pub(super) calls: Calls<QueuedCall>,
    pub(super) next: u64,
    pub(super) queues: SmallVec<[Queue; 1]>,
    /// Those that have their turn and keep a place.
    pub(super) holders: SmallVec<[u64; 2]>,
}

pub(super) struct Queue {
    pub(super) key: &'static str,
    pub(super) places: VecDeque<Place>,
}

pub(super) struct Place {
    pub(super) call: u64,
    pub(super) mode: Mode,
    pub(super) ready: bool,
}

pub(super) struct QueuedCall {
    /// Places that are not ready.
    pub(super) blocked: usize,
    pub(super) waker: Option<Waker>,
    pub(super) phase: Phase,
    pub(super) limits: Limits,
    /// Passed on by the call before it.
    pub(super) lease: Option<HeldLease>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Joined,
    Waiting {
        until: Instant,
    },
    /// The wait was too long.
    TimedOut,
    Holding {
        until: Instant,
    },
    /// The commit is on its way to the backend: nobody can take the turn any more.
    Committing,
    Lost,
}

impl Phase {
    fn waits(self) -> bool {
        matches!(self, Self::Joined | Self::Waiting { .. })
    }
}

pub(super) type Wakers = SmallVec<[Waker; 4]>;

impl Turns {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, alarm: Arc::new(Alarm::new()) }
    }

    /// Takes a place in the queue of each of these states, all at one moment.
    pub(crate) fn join(
        self: &Arc<Self>,
        session: SessionId,
        plan: &[(&'static str, Mode)],
        limits: Limits,
    ) -> Result<Ticket, Error> {
        // In the shard's mutex, for what is empty is taken out of it.
        let mut shard = self.shard(session).lock();
        let queues = shard.entry(session).or_insert_with(|| {
            Arc::new(Queues { turns: Arc::clone(self), id: session, session: Mutex::default() })
        });
        let call = queues.session.lock().join(plan, limits);
        let Some(call) = call else { return Err(Error::new(ErrorKind::TooManyWaiters)) };
        Ok(Ticket { queues: Arc::clone(queues), call })
    }

    /// Whether no writer has a place in the queue of any of these states: a reader need not wait.
    pub(crate) fn nobody_writes(&self, session: SessionId, plan: &[(&'static str, Mode)]) -> bool {
        let shard = self.shard(session).lock();
        let Some(queues) = shard.get(&session) else { return true };
        let queues = queues.session.lock();
        let wanted = |queue: &&Queue| plan.iter().any(|(key, _)| *key == queue.key);
        queues.queues.iter().filter(wanted).all(|queue| queue.is_free_for(Mode::Read))
    }

    /// How many calls have come to the queues of this session, while it has any.
    pub(crate) fn arrivals(&self, session: SessionId) -> Arrivals {
        let queues = self.shard(session).lock().get(&session).map(Arc::clone);
        Arrivals(queues.map_or(0, |queues| queues.session.lock().next))
    }

    /// How many sessions have queues at this moment.
    #[cfg(test)]
    pub(crate) fn sessions(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, session: SessionId) -> &Mutex<Shard> {
        &self.shards[session.shard(SHARDS)]
    }

    /// Frees a session's queues, unless somebody has joined them meanwhile.
    pub(super) fn free(&self, session: SessionId) {
        if let Entry::Occupied(entry) = self.shard(session).lock().entry(session)
            && entry.get().session.lock().calls.is_empty()
        {
            entry.remove();
        }
    }

    /// Ends waits that were too long, and takes turns that were held too long from their holders, where somebody
    /// waits. Says when to look again.
    pub(super) fn look_after(&self, now: Instant) -> Option<Instant> {
        let mut wakers = Wakers::new();
        let mut next: Option<Instant> = None;
        for shard in &self.shards {
            let queues: SmallVec<[_; 4]> = shard.lock().values().map(Arc::clone).collect();
            for queues in queues {
                let again = queues.session.lock().look_after(now, &mut wakers);
                next = next.into_iter().chain(again).min();
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Everybody who waits looks again.
    pub(super) fn wake_all(&self) {
        let mut wakers = Wakers::new();
        for shard in &self.shards {
            let queues: SmallVec<[_; 4]> = shard.lock().values().map(Arc::clone).collect();
            for queues in queues {
                wakers.extend(queues.session.lock().calls.iter_mut().filter_map(|call| call.waker.take()));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.alarm.end();
    }
}

impl Session {
    pub(super) fn join(&mut self, plan: &[(&'static str, Mode)], limits: Limits) -> Option<u64> {
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
            let queue = self.queue(key);
            let ready = queue.is_free_for(mode);
            queue.places.push_back(Place { call, mode, ready });
            blocked += usize::from(!ready);
        }
        self.calls.push(call, QueuedCall { blocked, waker: None, phase: Phase::Joined, limits, lease: None });
        Some(call)
    }

    fn queue(&mut self, key: &'static str) -> &mut Queue {
        let at = self.queues.iter().position(|queue| queue.key == key).unwrap_or_else(|| {
            self.queues.push(Queue { key, places: VecDeque::new() });
            self.queues.len() - 1
        });
        &mut self.queues[at]
    }

    /// The turn, if it has come.
    pub(super) fn grant(&mut self, id: u64) -> bool {
        let Some(call) = self.calls.get_mut(id) else { return false };
        if call.phase.waits() && call.blocked == 0 {
            call.phase = Phase::Holding { until: clock::after(Instant::now(), call.limits.hold) };
            call.waker = None;
            self.holders.push(id);
        }
        !call.phase.waits()
    }

    pub(super) fn wake_by(&mut self, id: u64, waker: &Waker) {
        if let Some(call) = self.calls.get_mut(id) {
            match &mut call.waker {
                Some(kept) => kept.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    /// Gives up the call's places of these modes.
    pub(super) fn leave(&mut self, id: u64, which: impl Fn(Mode) -> bool, wakers: &mut Wakers) {
        for queue in &mut self.queues {
            let Some(at) = queue.places.iter().position(|place| place.call == id && which(place.mode)) else {
                continue;
            };
            queue.places.remove(at);
            settle(&mut queue.places, at, &mut self.calls, wakers);
        }
        self.queues.retain(|queue| !queue.places.is_empty());
    }

    /// Gives the call, so that it is dropped where no lock is held.
    pub(super) fn end(&mut self, id: u64, wakers: &mut Wakers) -> Option<QueuedCall> {
        self.leave(id, |_| true, wakers);
        self.holders.retain(|holder| *holder != id);
        self.calls.remove(id)
    }

    /// The call that has its turn when this one ends, if it writes the same states and no other.
    pub(super) fn successor(&self, id: u64) -> Option<u64> {
        let stands_in = |queue: &Queue, call| queue.places.iter().any(|place| place.call == call);
        let next = self.queues.iter().find(|queue| stands_in(queue, id))?.places.get(1)?.call;
        let mut of_both = self.queues.iter().filter(|queue| stands_in(queue, id) || stands_in(queue, next));
        let follows = of_both.all(|queue| {
            let calls = queue.places.iter().take(2).filter(|place| place.mode == Mode::Write);
            calls.map(|place| place.call).eq([id, next])
        });
        follows.then_some(next)
    }

    /// The call waits from now on.
    pub(super) fn wait(&mut self, id: u64) {
        if let Some(call) = self.calls.get_mut(id).filter(|call| call.phase.waits()) {
            call.phase = Phase::Waiting { until: clock::after(Instant::now(), call.limits.wait) };
        }
    }

    /// When somebody must look after a call that waits, or after those that hold a turn.
    pub(super) fn moment_to_look(&self, id: u64) -> Option<Instant> {
        let Phase::Waiting { until } = self.calls.get(id)?.phase else { return None };
        self.next_overdue().into_iter().chain([until]).min()
    }

    pub(super) fn look_after(&mut self, now: Instant, wakers: &mut Wakers) -> Option<Instant> {
        let mut next = None;
        for call in self.calls.iter_mut() {
            if let Phase::Waiting { until } = call.phase {
                if until <= now {
                    call.phase = Phase::TimedOut;
                    wakers.extend(call.waker.take());
                } else {
                    next = next.into_iter().chain([until]).min();
                }
            }
        }
        // An overdue holder keeps its turn while nobody waits.
        next?;
        self.pass_on_overdue(now, wakers);
        next.into_iter().chain(self.next_overdue()).min()
    }

    /// Takes the turn from holders that are over their limit.
    fn pass_on_overdue(&mut self, now: Instant, wakers: &mut Wakers) {
        let overdue = |calls: &Calls<QueuedCall>, id: u64| matches!(calls.get(id), Some(QueuedCall { phase: Phase::Holding { until }, .. }) if *until <= now);
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
    pub(super) fn next_overdue(&self) -> Option<Instant> {
        let until = |id: &u64| match self.calls.get(*id)?.phase {
            Phase::Holding { until } => Some(until),
            _ => None,
        };
        self.holders.iter().filter_map(until).min()
    }
}

impl Queue {
    /// Whether a place behind all others is ready at once.
    pub(super) fn is_free_for(&self, mode: Mode) -> bool {
        match self.places.back() {
            None => true,
            Some(last) => mode == Mode::Read && last.mode == Mode::Read && last.ready,
        }
    }
}

/// Marks those ready who became so when the place at `at` was given up.
fn settle(places: &mut VecDeque<Place>, at: usize, calls: &mut Calls<QueuedCall>, wakers: &mut Wakers) {
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
