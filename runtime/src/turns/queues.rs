//! The queues of turns: one per state of a session, first come, first served.
//!
//! All queues of a session stand under one short mutex, which is never held across an await. A call takes its places
//! in all the queues it needs in one go under it. So calls of a session are totally ordered, and the eldest one that
//! still waits waits for nobody: there is no deadlock. The queues are found once, when a call joins them; they exist
//! while a call has a place in them.
//!
//! In a queue, a writer is ready when it is the first; readers are ready when only readers are before them. A call
//! has its turn when all its places are ready. A reader gives its places up as soon as it has its snapshot.
//!
//! Two things break the first-come order, both kept out of the common path: calls inside of others (`nesting`), and calls
//! that nobody polls (`aside`).

use std::{
    collections::{VecDeque, hash_map::Entry},
    sync::Arc,
    task::Waker,
};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    Arrivals, HeldTurns, Limits, Mode, Plan, Polled, Ticket,
    alarm::Alarm,
    aside::{Offer, Offers, Patience, offer},
    calls::Calls,
    lease::HeldLease,
    nesting::Outer,
};
use crate::{
    clock,
    error::{Error, ErrorKind},
    session::id::{BySession, SessionId},
};

const SHARDS: usize = 64;

/// The queues of all sessions of this process.
pub(crate) struct Turns {
    pub(super) shards: Box<[Mutex<Shard>]>,
    pub(super) alarm: Arc<Alarm>,
}

type Shard = BySession<Arc<Queues>>;

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
    /// Turns that have come and were not taken yet.
    pub(super) offers: Offers,
    /// How many calls are set aside.
    pub(super) aside: usize,
    /// How many calls were, and are back: while there are any, a turn may be held behind who waits.
    pub(super) back: usize,
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
    pub(super) plan: Plan,
    /// Places that are not ready.
    pub(super) blocked: usize,
    pub(super) waker: Option<Waker>,
    pub(super) phase: Phase,
    pub(super) limits: Limits,
    /// Passed on by the call before it. Boxed, as everywhere: most have none.
    pub(super) lease: Option<Box<HeldLease>>,
    pub(super) polled: Polled,
    /// The calls that it runs inside of.
    pub(super) outer: Outer,
    /// It has no places until it is polled.
    pub(super) aside: bool,
    /// It was set aside before.
    pub(super) is_back: bool,
    /// Since when it was woken to show that it is polled.
    pub(super) asked: Option<Instant>,
}

impl QueuedCall {
    fn new(plan: Plan, limits: Limits, polled: Polled, outer: Outer) -> Self {
        Self {
            plan,
            blocked: 0,
            waker: None,
            phase: Phase::Joined,
            limits,
            lease: None,
            polled,
            outer,
            aside: false,
            is_back: false,
            asked: None,
        }
    }

    /// Whether nobody may go before it any more: it holds the turn, or the lease was passed on to it.
    pub(super) fn is_firm(&self) -> bool {
        matches!(self.phase, Phase::Holding { .. } | Phase::Committing) || self.lease.is_some()
    }
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
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Joined | Self::Waiting { .. })
    }
}

/// What follows a change of the queues where no lock is held.
#[derive(Default)]
pub(super) struct After {
    pub(super) wakers: SmallVec<[Waker; 4]>,
    /// To be given back.
    pub(super) leases: Vec<HeldLease>,
    /// When somebody must look after the queues.
    pub(super) look: Option<Instant>,
}

impl After {
    /// Gives when somebody must look after the queues.
    pub(super) fn happen(self) -> Option<Instant> {
        // The leases first: they are on their way back before somebody asks for one.
        drop(self.leases);
        self.wakers.into_iter().for_each(Waker::wake);
        self.look
    }
}

/// What was seen in all queues.
#[derive(Default)]
pub(super) struct Seen {
    /// When to look again.
    pub(super) again: Option<Instant>,
    /// Somebody does not take the turn that has come: to be set aside.
    pub(super) untaken: bool,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, alarm: Arc::new(Alarm::new()) }
    }

    /// Takes a place in the queue of each of these states, all at one moment. `around`: the turns of the calls that this
    /// one runs inside of.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyWaiters`], and [`ErrorKind::NestedTurn`] where it would wait for a call around it.
    pub(crate) fn join(
        self: &Arc<Self>,
        session: SessionId,
        plan: Plan,
        limits: Limits,
        polled: Polled,
        around: &HeldTurns,
    ) -> Result<Ticket, Error> {
        let call = QueuedCall::new(plan, limits, polled, around.of(session));
        // In the shard's mutex, for what is empty is taken out of it.
        let mut shard = self.shard(session).lock();
        let queues = shard.entry(session).or_insert_with(|| {
            Arc::new(Queues { turns: Arc::clone(self), id: session, session: Mutex::default() })
        });
        let call = queues.session.lock().join(call)?;
        Ok(Ticket { queues: Arc::clone(queues), call })
    }

    /// An error where a call would want what one around it holds under an id that the session had before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NestedTurn`].
    pub(crate) fn refuse_inside_former(
        &self,
        former: SessionId,
        plan: Plan,
        around: &HeldTurns,
    ) -> Result<(), Error> {
        let outer = around.of(former);
        let queues =
            if outer.is_empty() { None } else { self.shard(former).lock().get(&former).map(Arc::clone) };
        queues.map_or(Ok(()), |queues| queues.session.lock().refuse_circle(plan, &outer))
    }

    /// Whether no writer has a place in the queue of any of these states: a reader need not wait.
    pub(crate) fn nobody_writes(&self, session: SessionId, plan: &[(&'static str, Mode)]) -> bool {
        let shard = self.shard(session).lock();
        let Some(queues) = shard.get(&session) else { return true };
        let queues = queues.session.lock();
        let wanted = |queue: &&Queue| plan.iter().any(|(key, _)| *key == queue.key);
        let in_order = queues.back == 0;
        queues.queues.iter().filter(wanted).all(|queue| queue.is_free_for(Mode::Read, in_order))
    }

    /// How many calls have come to the queues of this session, while it has any.
    pub(crate) fn arrivals(&self, session: SessionId) -> Arrivals {
        let queues = self.shard(session).lock().get(&session).map(Arc::clone);
        Arrivals(queues.map_or(0, |queues| queues.session.lock().next))
    }

    /// How many sessions have queues at this moment: those of which a call has a turn, or waits for one.
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
    /// waits.
    pub(super) fn look_after(&self, now: Instant) -> Seen {
        let mut seen = Seen::default();
        self.for_each(|session, after| {
            let of_session = session.look_after(now, after);
            seen.untaken |= of_session.untaken;
            seen.again = seen.again.into_iter().chain(of_session.again).min();
        });
        seen
    }

    /// Sets calls aside that have not taken their turn, which had come some milliseconds before that moment. Says when to
    /// look again.
    pub(super) fn set_aside(&self, by: Instant) -> Option<Instant> {
        let mut again: Option<Instant> = None;
        self.for_each(|session, after| {
            session.set_aside(by, after);
            again = again.into_iter().chain(session.end_of_patience()).min();
        });
        again
    }

    fn for_each(&self, mut act: impl FnMut(&mut Session, &mut After)) {
        let mut after = After::default();
        for shard in &self.shards {
            let queues: SmallVec<[_; 4]> = shard.lock().values().map(Arc::clone).collect();
            for queues in queues {
                act(&mut queues.session.lock(), &mut after);
            }
        }
        after.happen();
    }

    /// Everybody who waits looks again.
    pub(super) fn wake_all(&self) {
        self.for_each(|session, after| {
            after.wakers.extend(session.calls.iter_mut().filter_map(|(_, call)| call.waker.take()));
        });
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.alarm.end();
    }
}

impl Session {
    pub(super) fn join(&mut self, mut call: QueuedCall) -> Result<u64, Error> {
        if !call.outer.is_empty() {
            self.refuse_circle(call.plan, &call.outer)?;
        }
        let wants = |queue: &Queue| call.plan.iter().any(|(key, _)| *key == queue.key);
        let full = |queue: &Queue| {
            let length = queue.places.len() + if self.aside > 0 { self.aside_in(queue.key) } else { 0 };
            length > call.limits.waiters && wants(queue)
        };
        if self.queues.iter().any(full) {
            return Err(Error::new(ErrorKind::TooManyWaiters));
        }
        let id = self.next;
        self.next += 1;
        let in_order = self.back == 0;
        for &(key, mode) in call.plan {
            let queue = self.queue(key);
            let ready = queue.is_free_for(mode, in_order);
            queue.places.push_back(Place { call: id, mode, ready });
            call.blocked += usize::from(!ready);
        }
        if call.blocked == 0 && call.polled == Polled::ByItsCaller {
            self.offers.push(Offer::at_arrival(id));
        }
        self.calls.push(id, call);
        Ok(id)
    }

    /// How many calls are set aside that want this state.
    fn aside_in(&self, key: &str) -> usize {
        let wants = |call: &QueuedCall| call.aside && call.plan.iter().any(|(wanted, _)| *wanted == key);
        self.calls.iter().filter(|(_, call)| wants(call)).count()
    }

    pub(super) fn queue(&mut self, key: &'static str) -> &mut Queue {
        let at = self.queues.iter().position(|queue| queue.key == key).unwrap_or_else(|| {
            self.queues.push(Queue { key, places: VecDeque::new() });
            self.queues.len() - 1
        });
        &mut self.queues[at]
    }

    /// The turn, if it has come.
    pub(super) fn grant(&mut self, id: u64) -> bool {
        if self.aside > 0 && self.calls.get(id).is_some_and(|call| call.aside) {
            self.come_back(id);
        }
        let Some(call) = self.calls.get_mut(id) else { return false };
        if !call.phase.waits() {
            return true;
        }
        if call.blocked > 0 {
            return false;
        }
        call.phase = Phase::Holding { until: clock::after(Instant::now(), call.limits.hold) };
        call.waker = None;
        self.holders.push(id);
        self.withdraw_offer(id);
        true
    }

    /// Whether nobody may go before the call any more.
    pub(super) fn is_firm(&self, id: u64) -> bool {
        self.calls.get(id).is_some_and(QueuedCall::is_firm)
    }

    pub(super) fn wake_by(&mut self, id: u64, waker: &Waker) {
        if let Some(call) = self.calls.get_mut(id) {
            call.asked = None;
            match &mut call.waker {
                Some(kept) => kept.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    /// Gives up the call's places of these modes.
    pub(super) fn leave(&mut self, id: u64, which: impl Fn(Mode) -> bool, after: &mut After) {
        for queue in &mut self.queues {
            let Some(at) = queue.places.iter().position(|place| place.call == id && which(place.mode)) else {
                continue;
            };
            queue.places.remove(at);
            if self.back == 0 {
                settle(&mut queue.places, at, &mut self.calls, &mut self.offers, after);
            }
        }
        self.queues.retain(|queue| !queue.places.is_empty());
        if self.back > 0 {
            self.resettle(after);
        }
        if self.aside > 0 {
            self.wake_those_aside(after);
        }
    }

    /// Gives the call, so that it is dropped where no lock is held.
    pub(super) fn end(&mut self, id: u64, after: &mut After) -> Option<QueuedCall> {
        self.leave(id, |_| true, after);
        self.holders.retain(|holder| *holder != id);
        self.withdraw_offer(id);
        let call = self.calls.remove(id)?;
        self.aside -= usize::from(call.aside);
        self.back -= usize::from(call.is_back);
        Some(call)
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
        let now = Instant::now();
        if let Some(call) = self.calls.get_mut(id).filter(|call| call.phase.waits()) {
            call.phase = Phase::Waiting { until: clock::after(now, call.limits.wait) };
        }
        self.wait_behind_offers(now);
    }

    /// When somebody must look after a call that waits, after those that hold a turn, or after those that do not take
    /// theirs.
    pub(super) fn moment_to_look(&self, id: u64) -> Option<Instant> {
        let Phase::Waiting { until } = self.calls.get(id)?.phase else { return None };
        self.next_overdue().into_iter().chain(self.end_of_patience()).chain([until]).min()
    }

    pub(super) fn look_after(&mut self, now: Instant, after: &mut After) -> Seen {
        let mut timed_out: SmallVec<[u64; 4]> = SmallVec::new();
        let mut next: Option<Instant> = None;
        let mut somebody_waits = false;
        for (id, call) in self.calls.iter_mut() {
            if let Phase::Waiting { until } = call.phase {
                if until <= now {
                    call.phase = Phase::TimedOut;
                    after.wakers.extend(call.waker.take());
                    after.leases.extend(call.lease.take().map(|lease| *lease));
                    timed_out.push(id);
                } else {
                    next = next.into_iter().chain([until]).min();
                    somebody_waits |= !call.aside;
                }
            }
        }
        for id in timed_out {
            self.withdraw_offer(id);
            self.leave(id, |_| true, after);
        }
        // An overdue holder keeps its turn while nobody waits.
        if somebody_waits {
            self.pass_on_overdue(now, after);
            next = next.into_iter().chain(self.next_overdue()).min();
        }
        let Patience { ended, ends } = self.patience(now);
        Seen { again: next.into_iter().chain(ends).min(), untaken: ended }
    }

    /// Takes the turn from holders that are over their limit.
    fn pass_on_overdue(&mut self, now: Instant, after: &mut After) {
        let overdue = |calls: &Calls<QueuedCall>, id: u64| matches!(calls.get(id), Some(QueuedCall { phase: Phase::Holding { until }, .. }) if *until <= now);
        let ids: SmallVec<[u64; 4]> =
            self.holders.iter().copied().filter(|id| overdue(&self.calls, *id)).collect();
        for id in ids {
            self.leave(id, |_| true, after);
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
    /// Whether a place behind all others is ready at once. `in_order`: nobody holds a turn behind somebody who waits.
    pub(super) fn is_free_for(&self, mode: Mode, in_order: bool) -> bool {
        match self.places.back() {
            None => true,
            Some(last) if in_order => mode == Mode::Read && last.mode == Mode::Read && last.ready,
            Some(_) => !self.places.iter().any(|place| place.mode.excludes(mode)),
        }
    }
}

/// Marks those ready who became so when the place at `at` was given up.
fn settle(
    places: &mut VecDeque<Place>,
    at: usize,
    calls: &mut Calls<QueuedCall>,
    offers: &mut Offers,
    after: &mut After,
) {
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
                offer(calls, offers, place.call, after);
            }
        }
        if place.mode == Mode::Write {
            break;
        }
    }
}
