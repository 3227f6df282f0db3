//! The unit of work: one call of a handler with its states, from its turn to its commit. Every outcome of a
//! handler, in HTTP and on sockets, is decided in [`super::outcome`].
//!
//! This is the hot path. Where nothing must be waited for (no one before the call, a backend that has the session at
//! hand) all of it is plain calls, and no future is made. With `MemoryBackend` an event that reads makes one allocation,
//! the [`RunningCall`]. One that writes a field makes six, beside the clone of the user's state: the session's queues, of which
//! there are none while nobody has a place in them, and the two lists in them; the [`RunningCall`]; the state as it is shared
//! with readers from then on; and the value that is stored. `cargo run --release -p bench -- instructions` counts them.

use std::{mem, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::time::Instant;

use super::outcome::{Decision, Outcome};
use crate::{
    backend::{Answer, Attributes, Keys, Lease, Load, Loaded},
    call::{
        access::States,
        bounded::FromBackend,
        commit::Work,
        current_call::{Caller, CurrentCall, Verdict, turns_around},
        detached::Detached,
        intents::{Intent, Intents},
        live_session::{Arrival, LiveSession, Lookup},
        scope::Scope,
    },
    clock,
    error::{Error, ErrorKind},
    figures::More,
    panics::caught,
    session::{change::Changes, id::SessionId},
    telemetry::Observed,
    turns::{HeldTurns, Ticket, Turn},
};

/// A call that has come: with its states, or with its places in the queues.
pub(crate) enum ArrivedCall<S> {
    Begun(Box<RunningCall<S>>),
    Queued { live: Arc<LiveSession>, caller: Caller, ticket: Ticket },
}

/// The states of one call, and its turn if it writes. Boxed, for it is handed on until the call ends.
pub(crate) struct RunningCall<S> {
    pub(crate) states: S,
    pub(crate) scope: Scope,
    /// Of the user's function.
    handler: &'static str,
    live: Arc<LiveSession>,
    turn: Option<Turn>,
    /// What was known of the session when it was loaded, and when it expires.
    found: Option<Found>,
}

type Found = (Attributes, OffsetDateTime);

type Begins<S> = Result<Box<RunningCall<S>>, Error>;

impl<S: States> ArrivedCall<S> {
    /// Takes the call's places in the queues, and loads its states if it needs none.
    pub(crate) fn at(live: &Arc<LiveSession>, caller: Caller) -> Result<Self, Error> {
        let around = turns_around();
        if live.registry().is_shutting_down() && caller.is_new(&around) {
            return Err(Error::logged(ErrorKind::Backend, "this server is shutting down: try again"));
        }
        Self::within(live, caller, around)
    }

    /// The same for what belongs to the end of a socket, and so to that of this process.
    pub(crate) fn at_end_of_socket(live: &Arc<LiveSession>, caller: Caller) -> Result<Self, Error> {
        Self::within(live, caller, turns_around())
    }

    fn within(live: &Arc<LiveSession>, caller: Caller, around: HeldTurns) -> Result<Self, Error> {
        let live = Arc::clone(live);
        Ok(match live.arrive::<S>(caller.polled(), &around)? {
            Arrival::Stateless => Self::Begun(RunningCall::with(live, caller, around, None, None)?),
            Arrival::Snapshot(loaded) => {
                Self::Begun(RunningCall::with(live, caller, around, Some(loaded), None)?)
            }
            Arrival::Queued(ticket) => Self::Queued { live, caller, ticket },
        })
    }

    /// Waits for the turn, loads the states, and keeps of the turn what writing needs. Where nothing must be waited
    /// for, all of that is done at once.
    pub(crate) fn begin(self) -> Answer<Begins<S>> {
        let (live, caller, ticket) = match self {
            Self::Begun(call) => return Answer::Ready(Ok(call)),
            Self::Queued { live, caller, ticket } => (live, caller, ticket),
        };
        if S::WRITES
            && let Err(error) = live.writable()
        {
            return Answer::Ready(Err(error));
        }
        let wait = live.settings().limits.wait;
        match ticket.turn_now() {
            Ok(turn) => RunningCall::load(live, caller, turn, wait),
            Err(ticket) => {
                let begun = Instant::now();
                Answer::pending(async move {
                    let waiting = More::waiters();
                    let turn = ticket.turn().await?;
                    drop(waiting);
                    let wait = wait.saturating_sub(begun.elapsed());
                    RunningCall::load(live, caller, turn, wait).await
                })
            }
        }
    }
}

impl<S: States> RunningCall<S> {
    /// Loads the states under the turn, and waits so long at most for turns of other processes.
    fn load(live: Arc<LiveSession>, caller: Caller, mut turn: Turn, wait: Duration) -> Answer<Begins<S>> {
        let (keys, hold) = (Keys::Only(S::KEYS), live.settings().limits.hold);
        let (turns, lease) = (S::TURNS, turn.lease());
        match live.ask(Load { keys, turns, wait, hold, lease, ownership: false }) {
            None => {
                turn.hold_lease(Lease::default(), || live.lease_home());
                Answer::Ready(Self::with(live, caller, turns_around(), None, Some(turn)))
            }
            Some((id, Answer::Ready(loaded))) => Self::loaded(live, caller, turn, id, loaded),
            Some((id, Answer::Pending(loaded))) => Answer::pending(async move {
                let loaded = turn.while_loading(loaded).await;
                Self::loaded(live, caller, turn, id, loaded).await
            }),
        }
    }

    fn loaded(
        live: Arc<LiveSession>,
        caller: Caller,
        mut turn: Turn,
        id: SessionId,
        loaded: FromBackend,
    ) -> Answer<Begins<S>> {
        if let Ok(loaded) = &loaded {
            let lease = loaded.as_ref().map_or_else(Lease::default, |loaded| loaded.lease);
            turn.hold_lease(lease, || live.lease_home());
        }
        match live.found(id, Keys::Only(S::KEYS), loaded) {
            Ok(Lookup::Found(loaded)) => {
                Answer::Ready(Self::with(live, caller, turns_around(), Some(loaded), Some(turn)))
            }
            Ok(Lookup::Nothing) => Answer::Ready(Self::with(live, caller, turns_around(), None, Some(turn))),
            Ok(Lookup::Renamed) => {
                drop(turn);
                match ArrivedCall::at(&live, caller) {
                    Ok(arrived) => arrived.begin(),
                    Err(error) => Answer::Ready(Err(error)),
                }
            }
            Err(error) => Answer::Ready(Err(error)),
        }
    }

    fn with(
        live: Arc<LiveSession>,
        caller: Caller,
        around: HeldTurns,
        loaded: Option<Loaded>,
        turn: Option<Turn>,
    ) -> Begins<S> {
        let states = caught(|| S::load(loaded.as_ref(), &*live.backend))?;
        if S::WRITES && loaded.is_none() {
            live.writable()?;
        }
        let turn = turn.filter(|_| S::WRITES);
        if S::READS
            && let Some(turn) = &turn
        {
            turn.release_reads();
        }
        let call = Some(CurrentCall::new(caller, &live, around, turn.as_ref()));
        let scope = Scope { call, observed: Observed::default() };
        let found = loaded.map(|loaded| (loaded.attributes, loaded.expires));
        Ok(Box::new(Self { states, scope, handler: "", live, turn, found }))
    }

    /// One without a turn, on copies of what the connection has last seen, if it has kept that; or why that does not decode.
    /// It is to be [concluded unsaved](Self::conclude_unsaved).
    pub(crate) fn of_last_seen(live: &Arc<LiveSession>, caller: Caller) -> Option<Begins<S>> {
        let loaded = live.last_seen(S::KEYS)?;
        Some(Self::with(Arc::clone(live), caller, turns_around(), Some(loaded), None))
    }

    /// Says whose call it is, and who watches it.
    #[inline]
    pub(crate) fn of_handler(&mut self, handler: &'static str, mut observed: Observed) {
        observed.begins(handler, S::KEYS, self.turn.is_some(), || self.live.key());
        self.handler = handler;
        self.scope.observed = observed;
    }

    /// Its function does not run, for this reason: its turn ends, and nothing is saved.
    pub(crate) fn refuse(mut self, error: &Error) {
        mem::take(&mut self.scope.observed).refused(self.handler, error);
    }

    pub(crate) fn handler(&self) -> &'static str {
        self.handler
    }

    pub(crate) fn live(&self) -> &Arc<LiveSession> {
        &self.live
    }

    /// What is known of the session, and when it expires.
    pub(crate) fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// Says that what is extracted on this thread from now on belongs to this call.
    pub(crate) fn extracts(&self) {
        if let Some(number) = self.scope.call.as_ref().and_then(CurrentCall::number) {
            number.extracts(self.live.id());
        }
    }

    /// Ends the call: commits or discards, and carries out what was asked of the session.
    pub(crate) fn conclude(self, outcome: Outcome) -> Concluded {
        self.conclude_by(outcome, commit)
    }

    /// The same where nothing can be saved: changes, and what else was asked of the session but its end, are left out.
    pub(crate) fn conclude_unsaved(self, outcome: Outcome) -> Concluded {
        self.conclude_by(outcome, |_, states, _, _, _| leave_out(states))
    }

    #[inline]
    fn conclude_by(
        self,
        outcome: Outcome,
        commit: impl FnOnce(&Arc<LiveSession>, S, Intent, Option<Turn>, Option<Found>) -> Detached,
    ) -> Concluded {
        let Self { states, mut scope, handler, live, turn, found } = self;
        let mut observed = mem::take(&mut scope.observed);
        observed.concludes(outcome.ended());
        let Verdict { decision, intent, after, request } = scope.conclude(outcome);
        let (ends_session, keeps) = (intent.flush, intent.keep_changes);
        let work = match decision {
            Decision::End => live.end(turn),
            Decision::Discard => discard(&live, turn, found),
            Decision::Commit => commit(&live, states, intent, turn, found),
        };
        let after = after.filter(|_| decision != Decision::Discard);
        let work = work.and_then_begin(after).observed(observed, decision != Decision::Discard);
        Concluded { work, ends_session, keeps_of: request.filter(|_| keeps), handler, live }
    }
}

/// A call that has ended.
pub(crate) struct Concluded {
    /// What is committed, discarded or ended by it.
    pub(crate) work: Detached,
    pub(crate) ends_session: bool,
    /// The request whose other changes are kept, too, if those of the call are: it asked for that.
    pub(crate) keeps_of: Option<Arc<Intents>>,
    /// Whose call it was, for the log.
    pub(crate) handler: &'static str,
    pub(crate) live: Arc<LiveSession>,
}

fn discard(live: &Arc<LiveSession>, turn: Option<Turn>, found: Option<Found>) -> Detached {
    // It may have seen what a call before it has not saved yet: it says nothing before that is in.
    if turn.as_ref().is_some_and(Turn::lease_was_passed_on) {
        let attributes = found.map(|(attributes, _)| attributes);
        return live.commit(Work { attributes, ..Work::of(Changes::new()) }, turn);
    }
    Detached::done(Ok(()), turn)
}

fn commit<S: States>(
    live: &Arc<LiveSession>,
    states: S,
    intent: Intent,
    turn: Option<Turn>,
    found: Option<Found>,
) -> Detached {
    let changes = match caught(|| states.changes()) {
        Ok(changes) => changes,
        Err(error) => return Detached::done(Err(error), turn),
    };
    if const { may_change_live(S::LIVE) } {
        note_unnamed(live, S::LIVE, &changes);
    }
    let touch = found.as_ref().and_then(|(attributes, expires)| {
        live.settings().lifetimes.touched(attributes, *expires, clock::now)
    });
    let attributes = found.map(|(attributes, _)| attributes);
    // A call inside of this one, or beside it in the request, may have ended the session.
    if !changes.is_empty() && attributes.as_ref().is_some_and(|loaded| live.has_ended_since(loaded)) {
        return Detached::done(Err(Error::new(ErrorKind::SessionEnded)), turn);
    }
    live.commit(Work { changes, intent, attributes, touch, even_if_unchanged: false }, turn)
}

/// Whether one of these states is sent to sockets when it has changed.
const fn may_change_live(states: &[(&str, bool)]) -> bool {
    let mut at = 0;
    while at < states.len() {
        if states[at].1 {
            return true;
        }
        at += 1;
    }
    false
}

/// A live state has changed that the layer does not know of: nobody would be sent it.
fn note_unnamed(live: &LiveSession, states: &[(&'static str, bool)], changes: &Changes) {
    for (key, _) in states.iter().filter(|(_, is_live)| *is_live) {
        if !live.settings().live.has(key) && changes.iter().any(|(changed, _)| changed == key) {
            live.registry().unnamed_live().note(key);
        }
    }
}

/// What a call changed that cannot be saved. Only the log hears of it.
fn leave_out<S: States>(states: S) -> Detached {
    let outcome = caught(|| states.changes()).map(|changes| {
        for (state, _) in changes {
            tracing::debug!(%state, "what a disconnect handler changed is not saved: its session has ended, or cannot be had");
        }
    });
    Detached::done(outcome, None)
}
