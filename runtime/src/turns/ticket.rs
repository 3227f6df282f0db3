//! One call's way through the queues: its places from its arrival on, its turn, and the end of both.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    Arrivals, Limits, Mode,
    answers::{AnswersBefore, Behind, DueAnswer},
    lease::{HeldLease, Lease, LeaseHome},
    queues::{After, Phase, QueuedCall, Queues, Session},
};
use crate::{
    clock,
    error::{Error, ErrorKind},
    session::id::SessionId,
};

/// A call's places in the queues of a session, from its arrival on. Dropping it gives them up.
pub(crate) struct Ticket {
    pub(super) queues: Arc<Queues>,
    pub(super) call: u64,
}

impl Ticket {
    /// The turn, if nobody is before this call.
    pub(crate) fn turn_now(self) -> Result<Turn, Self> {
        match self.grant(None, |call| call.lease.take()) {
            Some(lease) => Ok(Turn::of(self, lease)),
            None => Err(self),
        }
    }

    /// Waits for the turn.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the places up; the queues are whole after it.
    pub(crate) async fn turn(self) -> Result<Turn, Error> {
        let ticket = match self.turn_now() {
            Ok(turn) => return Ok(turn),
            Err(ticket) => ticket,
        };
        ticket.queues.session.lock().wait(ticket.call);
        ticket.granted().await;
        let (phase, lease) = {
            let mut session = ticket.queues.session.lock();
            let call = session.calls.get_mut(ticket.call);
            call.map_or((None, None), |call| (Some(call.phase), call.lease.take()))
        };
        if phase == Some(Phase::TimedOut) {
            Err(Error::new(ErrorKind::TurnTimeout))
        } else {
            Ok(Turn::of(ticket, lease))
        }
    }

    pub(super) async fn granted(&self) {
        poll_fn(|context| match self.grant(Some(context.waker()), |_| ()) {
            Some(()) => Poll::Ready(()),
            None => Poll::Pending,
        })
        .await;
    }

    /// What is taken of the call, if its turn has come; else a wake-up, when it has or the wait was too long.
    pub(super) fn grant<R>(
        &self,
        waker: Option<&Waker>,
        take: impl FnOnce(&mut QueuedCall) -> R,
    ) -> Option<R> {
        let mut session = self.queues.session.lock();
        let mut taken = None;
        let look = if session.grant(self.call) {
            taken = session.calls.get_mut(self.call).map(take);
            if session.calls.are_several() { session.next_overdue() } else { None }
        } else if let Some(waker) = waker {
            session.wake_by(self.call, waker);
            session.moment_to_look(self.call)
        } else {
            None
        };
        drop(session);
        // After the waker is there: it is woken where the task that waits for the alarm ends.
        self.look_at(look);
        taken
    }

    fn look_at(&self, moment: Option<Instant>) {
        if let Some(moment) = moment {
            self.queues.turns.alarm.look_at(moment, &self.queues.turns);
        }
    }

    fn limits(&self) -> Option<Limits> {
        self.queues.session.lock().calls.get(self.call).map(|call| call.limits)
    }

    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Session, &mut After) -> R) -> R {
        let mut after = After::default();
        let result = act(&mut self.queues.session.lock(), &mut after);
        self.look_at(after.happen());
        result
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let (_call, empty) = self.with(|session, after| {
            let call = session.end(self.call, after);
            (call, session.calls.is_empty())
        });
        if empty {
            self.queues.turns.free(self.queues.id);
        }
    }
}

/// The right to read and write the states of the plan, with its lease where a backend granted one. Dropping it gives
/// the lease back and passes the turn on.
pub(crate) struct Turn {
    ticket: Ticket,
    lease: Option<Box<HeldLease>>,
    /// Those of the calls that passed it on.
    answers_before: Option<AnswersBefore>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The lease first: it is on its way back before the next call here asks for one. The ticket follows.
        drop(self.lease.take());
    }
}

impl Turn {
    /// `lease`: the one that the call before passed on with the turn, if it did.
    fn of(ticket: Ticket, lease: Option<Box<HeldLease>>) -> Self {
        let answers_before = lease.as_ref().and_then(|lease| lease.passed_on.clone());
        Self { ticket, lease, answers_before }
    }

    /// Whether it is one of the session with this id.
    pub(crate) fn is_of(&self, id: SessionId) -> bool {
        self.ticket.queues.id == id
    }

    /// The session, and the call's number in it.
    pub(super) fn number(&self) -> (SessionId, u64) {
        (self.ticket.queues.id, self.ticket.call)
    }

    /// Waits for the backend, which may itself wait for a turn of another process: that does not count as
    /// holding, up to the longest wait.
    pub(crate) async fn while_loading<F: Future>(&self, load: F) -> F::Output {
        let mut load = pin!(load);
        let Some(Limits { wait, hold, .. }) = self.ticket.limits() else { return load.await };
        let begun = Instant::now();
        let mut tick = (hold / 2).max(Duration::from_millis(1));
        loop {
            tokio::select! {
                biased;
                output = &mut load => {
                    self.hold_from_now();
                    return output;
                }
                () = sleep(tick) => {}
            }
            if begun.elapsed() < wait {
                self.hold_from_now();
            } else {
                tick = Duration::MAX;
            }
        }
    }

    fn hold_from_now(&self) {
        if let Some(call) = self.ticket.queues.session.lock().calls.get_mut(self.ticket.call)
            && let Phase::Holding { until } = &mut call.phase
        {
            *until = clock::after(Instant::now(), call.limits.hold);
        }
    }

    /// Those of the calls that passed the turn on.
    pub(super) fn answers_before(&self) -> Option<&AnswersBefore> {
        self.answers_before.as_ref()
    }

    /// Holds the lease that a backend granted, unless it is the one that was passed on.
    pub(crate) fn hold_lease(&mut self, lease: Lease, home: impl FnOnce() -> Arc<dyn LeaseHome>) {
        if lease != self.lease() {
            let session = self.ticket.queues.id;
            self.lease = Some(lease)
                .filter(|lease| *lease != Lease::default())
                .map(|lease| Box::new(HeldLease::new(home(), session, lease)));
        }
    }

    /// For a commit.
    pub(crate) fn lease(&self) -> Lease {
        self.lease.as_ref().map_or_else(Lease::default, |lease| lease.lease())
    }

    /// Whether the call before had the lease, too, so that this one has values that may not be saved yet.
    pub(crate) fn lease_was_passed_on(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.passed_on.is_some())
    }

    /// A commit has ended the lease.
    pub(crate) fn end_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }

    /// The commit is over, and its call is to answer and then to drop this: within the time that a turn may be held. A
    /// lease that the commit did not end is given back at once.
    pub(crate) fn hand_back(&mut self) {
        drop(self.lease.take());
        let mut session = self.ticket.queues.session.lock();
        let mut until = None;
        if let Some(call) = session.calls.get_mut(self.ticket.call)
            && call.phase == Phase::Committing
        {
            let moment = clock::after(Instant::now(), call.limits.hold);
            call.phase = Phase::Holding { until: moment };
            until = Some(moment);
        }
        let look = until.filter(|_| session.calls.are_several());
        drop(session);
        self.ticket.look_at(look);
    }

    pub(super) fn successor_came(&self) -> Option<Arrivals> {
        let next = self.ticket.queues.session.lock().successor(self.ticket.call);
        next.map(|next| Arrivals(next + 1))
    }

    /// Ends the turn and leaves its lease to the call that has it next, if that one writes the same states and had come
    /// by that moment.
    pub(super) fn pass_on(mut self, came: Arrivals) -> Behind {
        let Some(mut lease) = self.lease.take() else { return Behind::turn(Some(self)) };
        let before = self.answers_before.clone();
        let passed_on = self.ticket.with(|session, after| {
            let next = session.successor(self.ticket.call).filter(|next| *next < came.0);
            let Some(next) = next.and_then(|next| session.calls.get_mut(next)) else { return Err(lease) };
            let (answer, of_next) = DueAnswer::after(before.clone());
            lease.passed_on = Some(of_next);
            next.lease = Some(lease);
            Ok((session.end(self.ticket.call, after), answer))
        });
        match passed_on {
            Ok((_ended, answer)) => Behind::passed_on(answer, before),
            Err(lease) => {
                self.lease = Some(lease);
                Behind::turn(Some(self))
            }
        }
    }

    /// Gives up the places of a reader, which has its snapshot.
    pub(crate) fn release_reads(&self) {
        self.ticket.with(|session, after| session.leave(self.ticket.call, |mode| mode == Mode::Read, after));
    }

    /// Says that the commit begins, now: from now on the turn cannot pass on before its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TurnLost`] if it was held longer than its limit.
    pub(crate) fn begin_commit(&self, now: Instant) -> Result<(), Error> {
        if let Some(call) = self.ticket.queues.session.lock().calls.get_mut(self.ticket.call)
            && let Phase::Holding { until } = call.phase
            && now < until
        {
            call.phase = Phase::Committing;
            return Ok(());
        }
        Err(Error::new(ErrorKind::TurnLost))
    }
}
