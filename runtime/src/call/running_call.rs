//! The unit of work: one call of a handler with its states, from its turn to its commit. Every outcome of a
//! handler, in HTTP and on sockets, is decided in [`decide`].
//!
//! This is the hot path. Where nothing must be waited for (no one before the call, a backend that has the session at
//! hand) all of it is plain calls, and no future is made. With `MemoryBackend` an event that reads makes one allocation,
//! the [`Unit`]. One that writes a field makes six, beside the clone of the user's state: the session's queues, of which
//! there are none while nobody has a place in them, and the two lists in them; the [`Unit`]; the state as it is shared
//! with readers from then on; and the value that is stored. `cargo run --release -p bench -- instructions` counts them.

use std::{
    any::Any,
    future::{Future, Ready, ready},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::Either};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    backend::{Keys, Loaded, Meta},
    call::{
        access::States,
        commit::Work,
        control::{Asked, Asks, CALL, Call, Requests},
        detached::ToItsEnd,
        live_session::{Arrival, Handle, Lookup},
    },
    clock,
    error::{Error, ErrorKind},
    session::{change::Changes, id::SessionId},
    turns::{Ticket, Turn},
};

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned, and not an error.
    Normal,
    /// It returned `Err`, or its answer is 5xx.
    Failed,
    Panicked,
}

/// What becomes of a handler's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Commit,
    Discard,
    /// The session ends, whatever was changed.
    End,
}

/// The table of outcomes. A call that is cancelled never comes here: its turn ends where it is dropped.
pub(crate) fn decide(outcome: Outcome, asked: &Asked) -> Decision {
    match outcome {
        _ if asked.flush => Decision::End,
        Outcome::Normal => Decision::Commit,
        Outcome::Failed if asked.keep_changes => Decision::Commit,
        Outcome::Failed | Outcome::Panicked => Decision::Discard,
    }
}

/// A call that has come: with its states, or with its places in the queues.
pub(crate) enum Arrived<S> {
    Begun(Box<Unit<S>>),
    InLine { handle: Arc<Handle>, request: Option<Arc<Requests>>, ticket: Ticket },
}

/// The states of one call, and its turn if it writes. Boxed, for it is handed on until the call ends.
pub(crate) struct Unit<S> {
    pub(crate) states: S,
    pub(crate) scope: Scope,
    handle: Arc<Handle>,
    turn: Option<Turn>,
    /// What was known of the session when it was loaded, and when it expires.
    found: Option<(Meta, OffsetDateTime)>,
}

/// What begins at once, or a future that waits for it.
type Begun<S> = Either<Ready<Begins<S>>, Pin<Box<dyn Future<Output = Begins<S>> + Send>>>;

type Begins<S> = Result<Box<Unit<S>>, Error>;

impl<S: States> Arrived<S> {
    /// Takes the call's places in the queues, and loads its states if it needs none. `request`: what is collected for
    /// the request that the call belongs to, if it does.
    pub(crate) fn at(handle: &Arc<Handle>, request: Option<Arc<Requests>>) -> Result<Self, Error> {
        let handle = Arc::clone(handle);
        Ok(match handle.arrive::<S>()? {
            Arrival::Stateless => Self::Begun(Unit::with(handle, request, None, None)?),
            Arrival::Snapshot(loaded) => Self::Begun(Unit::with(handle, request, Some(loaded), None)?),
            Arrival::InLine(ticket) => Self::InLine { handle, request, ticket },
        })
    }

    /// Waits for the turn, loads the states, and keeps of the turn what writing needs. Where nothing must be waited
    /// for, all of that is done at once.
    pub(crate) fn begin(self) -> Begun<S> {
        let (handle, request, ticket) = match self {
            Self::Begun(unit) => return Either::Left(ready(Ok(unit))),
            Self::InLine { handle, request, ticket } => (handle, request, ticket),
        };
        if S::WRITES
            && let Err(error) = handle.writable()
        {
            return Either::Left(ready(Err(error)));
        }
        let turn = match ticket.turn_now() {
            Ok(turn) => turn,
            Err(ticket) => {
                let begun = Instant::now();
                return Either::Right(Box::pin(async move {
                    let turn = ticket.turn().await?;
                    let wait = handle.settings().limits.wait.saturating_sub(begun.elapsed());
                    Unit::load(handle, request, turn, wait).await
                }));
            }
        };
        let Some(found) = handle.load_now(Keys::Only(S::KEYS), &S::turns()) else {
            let wait = handle.settings().limits.wait;
            return Either::Right(Box::pin(Unit::load(handle, request, turn, wait)));
        };
        match found {
            Ok(Lookup::Found(loaded)) => {
                Either::Left(ready(Unit::with(handle, request, Some(loaded), Some(turn))))
            }
            Ok(Lookup::Nothing) => Either::Left(ready(Unit::with(handle, request, None, Some(turn)))),
            Ok(Lookup::Renamed) => match Self::at(&handle, request) {
                Ok(arrived) => arrived.begin(),
                Err(error) => Either::Left(ready(Err(error))),
            },
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}

impl<S: States> Unit<S> {
    async fn load(
        handle: Arc<Handle>,
        request: Option<Arc<Requests>>,
        mut turn: Turn,
        wait: Duration,
    ) -> Begins<S> {
        let turns = S::turns();
        turn.accept_lease();
        let load = handle.load_with_turns(Keys::Only(S::KEYS), &turns, wait, turn.lease());
        let (found, lease) = turn.while_loading(load).await?;
        turn.hold_lease(lease, || handle.lease_home());
        let loaded = match found {
            Lookup::Found(loaded) => Some(loaded),
            Lookup::Nothing => None,
            Lookup::Renamed => {
                drop(turn);
                return Arrived::at(&handle, request)?.begin().await;
            }
        };
        Self::with(handle, request, loaded, Some(turn))
    }

    fn with(
        handle: Arc<Handle>,
        request: Option<Arc<Requests>>,
        loaded: Option<Loaded>,
        turn: Option<Turn>,
    ) -> Begins<S> {
        let states = S::load(loaded.as_ref())?;
        if S::WRITES && loaded.is_none() {
            handle.writable()?;
        }
        let turn = turn.filter(|_| S::WRITES);
        if S::READS
            && let Some(turn) = &turn
        {
            turn.release_reads();
        }
        let holds = turn.is_some().then(|| handle.id());
        let scope = Scope(Some(Call { asks: Asks::new(request), holds }));
        let found = loaded.map(|loaded| (loaded.meta, loaded.expires));
        Ok(Box::new(Self { states, scope, handle, turn, found }))
    }

    /// What is known of the session, and when it expires.
    pub(crate) fn found(&self) -> Option<&(Meta, OffsetDateTime)> {
        self.found.as_ref()
    }

    /// Whether the call was told to end the session.
    pub(crate) fn ends_session(&self) -> bool {
        self.scope.0.as_ref().is_some_and(|call| call.asks.requests().ask_for_end())
    }

    /// Ends the call: commits or discards, and carries out what was asked of the session.
    pub(crate) fn conclude(self, outcome: Outcome) -> ToItsEnd {
        let Self { states, scope, handle, turn, found } = self;
        let asked = scope.asked();
        match decide(outcome, &asked) {
            Decision::End => {
                drop(turn);
                handle.end()
            }
            // It may have seen what a call before it has not saved yet: it says nothing before that is in.
            Decision::Discard if turn.as_ref().is_some_and(Turn::lease_was_passed_on) => {
                let meta = found.map(|(meta, _)| meta);
                handle.commit(Work { meta, ..Work::of(Changes::new()) }, turn)
            }
            Decision::Discard => ToItsEnd::done(Ok(()), turn),
            Decision::Commit => {
                let changes = if turn.is_some() { states.changes() } else { Ok(Changes::new()) };
                let changes = match changes {
                    Ok(changes) => changes,
                    Err(error) => return ToItsEnd::done(Err(error), turn),
                };
                let touch = found.as_ref().and_then(|(meta, expires)| {
                    handle.settings().lifetimes.touched(meta, *expires, clock::now)
                });
                let meta = found.map(|(meta, _)| meta);
                let work = Work { changes, asked, meta, touch, even_if_unchanged: false };
                handle.commit(work, turn)
            }
        }
    }
}

/// An error where waiting for a turn of this session would wait for the caller itself.
pub(crate) fn not_inside_a_turn_of(id: SessionId) -> Result<(), Error> {
    let inside = CALL.try_with(|call| call.holds == Some(id)).unwrap_or(false);
    if inside { Err(Error::new(ErrorKind::NestedTurn)) } else { Ok(()) }
}

/// What the user's function runs in: so that `SessionControl` finds its call, and `Shared` the turn it must not
/// wait for.
#[derive(Debug)]
pub struct Scope(Option<Call>);

/// The user's function panicked.
#[derive(Debug)]
pub struct Panicked(Box<dyn Any + Send>);

impl Panicked {
    pub(crate) fn error(&self) -> Error {
        let text = self.0.downcast_ref::<&str>().copied();
        let text = text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str));
        Error::new(ErrorKind::Panicked).because(text.unwrap_or("no message"))
    }
}

impl Scope {
    /// Runs the user's function, and catches its panic.
    ///
    /// # Errors
    ///
    /// If it panics.
    pub async fn run<R>(&mut self, function: impl Future<Output = R>) -> Result<R, Panicked> {
        let Some(call) = self.0.take() else { unreachable!("a call runs once") };
        let mut run = pin!(CALL.scope(call, AssertUnwindSafe(function).catch_unwind()));
        let result = run.as_mut().await;
        self.0 = run.take_value();
        result.map_err(Panicked)
    }

    fn asked(&self) -> Asked {
        self.0.as_ref().map(|call| call.asks.requests().take()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_outcomes() {
        use Decision::{Commit, Discard, End};
        let nothing = Asked::default();
        let keep = Asked { keep_changes: true, ..nothing };
        let flush = Asked { flush: true, ..nothing };
        let both = Asked { keep_changes: true, ..flush };
        for (outcome, asked, expected) in [
            (Outcome::Normal, nothing, Commit),
            (Outcome::Normal, keep, Commit),
            (Outcome::Normal, flush, End),
            (Outcome::Failed, nothing, Discard),
            (Outcome::Failed, keep, Commit),
            (Outcome::Failed, flush, End),
            (Outcome::Failed, both, End),
            (Outcome::Panicked, nothing, Discard),
            (Outcome::Panicked, keep, Discard),
            (Outcome::Panicked, flush, End),
        ] {
            assert_eq!(decide(outcome, &asked), expected, "{outcome:?} {asked:?}");
        }
    }
}
