//! The unit of work: one call of a handler with its states, from its turn to its commit. Every outcome of a
//! handler, in HTTP and on sockets, is decided in [`decide`].

use std::{
    any::Any,
    future::{Future, Ready, ready},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
};

use futures_util::{FutureExt, future::Either};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    access::States,
    backend::{Keys, Loaded, Meta},
    change::Changes,
    control::{Asked, CALL, Call, Requests},
    error::{Error, ErrorKind},
    handle::{Arrival, Handle, Lookup, Work},
    id::SessionId,
    lease::HeldLease,
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

/// The states of one call, and its turn if it writes.
pub(crate) struct Unit<S> {
    pub(crate) states: S,
    handle: Arc<Handle>,
    requests: Arc<Requests>,
    /// Before the turn: so that it is given back before the next one here asks for it.
    lease: HeldLease,
    turn: Option<Turn>,
    /// What was known of the session when it was loaded, and when it expires.
    found: Option<(Meta, OffsetDateTime)>,
}

/// A call that waits for its turn, or that has it and waits for the backend.
enum Waiting {
    InLine(Ticket),
    Loading(Turn),
}

/// What begins at once, or a future that waits for it.
type Begun<S> =
    Either<Ready<Result<Unit<S>, Error>>, Pin<Box<dyn Future<Output = Result<Unit<S>, Error>> + Send>>>;

impl<S: States> Unit<S> {
    /// Waits for the turn, loads the states, and keeps of the turn what writing needs. Where nothing must be waited
    /// for, all of that is done at once.
    pub(crate) fn begin(handle: Arc<Handle>, requests: Arc<Requests>, arrival: Arrival) -> Begun<S> {
        let ticket = match arrival {
            Arrival::Stateless => return now(Self::with(handle, requests, None, None)),
            Arrival::Snapshot(loaded) => return now(Self::with(handle, requests, Some(loaded), None)),
            Arrival::InLine(ticket) => ticket,
        };
        if S::WRITES
            && let Err(error) = handle.writable()
        {
            return now(Err(error));
        }
        let waiting = match ticket.turn_now() {
            Err(ticket) => Waiting::InLine(ticket),
            Ok(turn) => match handle.load_now(Keys::Only(S::KEYS), &S::turns()) {
                None => Waiting::Loading(turn),
                Some(Ok(Lookup::Renamed)) => match handle.arrive::<S>() {
                    Ok(arrival) => return Self::begin(handle, requests, arrival),
                    Err(error) => return now(Err(error)),
                },
                Some(Ok(Lookup::Found(loaded))) => {
                    return now(Self::with(handle, requests, Some(loaded), Some(turn)));
                }
                Some(Ok(Lookup::Nothing)) => return now(Self::with(handle, requests, None, Some(turn))),
                Some(Err(error)) => return now(Err(error)),
            },
        };
        Either::Right(Box::pin(Self::wait(handle, requests, waiting)))
    }

    async fn wait(handle: Arc<Handle>, requests: Arc<Requests>, waiting: Waiting) -> Result<Self, Error> {
        let begun = Instant::now();
        let turn = match waiting {
            Waiting::InLine(ticket) => ticket.turn().await?,
            Waiting::Loading(turn) => turn,
        };
        let wait = handle.config().limits.wait.saturating_sub(begun.elapsed());
        let turns = S::turns();
        let (found, lease) =
            turn.while_loading(handle.load_with_turns(Keys::Only(S::KEYS), &turns, wait)).await?;
        let loaded = match found {
            Lookup::Found(loaded) => Some(loaded),
            Lookup::Nothing => None,
            Lookup::Renamed => {
                drop(turn);
                let arrival = handle.arrive::<S>()?;
                return Self::begin(handle, requests, arrival).await;
            }
        };
        let mut unit = Self::with(handle, requests, loaded, Some(turn))?;
        unit.lease = lease;
        Ok(unit)
    }

    fn with(
        handle: Arc<Handle>,
        requests: Arc<Requests>,
        loaded: Option<Loaded>,
        turn: Option<Turn>,
    ) -> Result<Self, Error> {
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
        let found = loaded.map(|loaded| (loaded.meta, loaded.expires));
        Ok(Self { states, handle, requests, lease: HeldLease::default(), turn, found })
    }

    /// What is known of the session, and when it expires.
    pub(crate) fn found(&self) -> Option<&(Meta, OffsetDateTime)> {
        self.found.as_ref()
    }

    /// What the user's function runs in.
    pub(crate) fn scope(&self) -> Scope {
        let holds = self.turn.is_some().then(|| self.handle.id());
        Scope(Call { requests: Arc::clone(&self.requests), holds })
    }

    /// Ends the call: commits or discards, and carries out what was asked of the session.
    pub(crate) async fn conclude(self, outcome: Outcome) -> Result<(), Error> {
        let asked = self.requests.take();
        match decide(outcome, &asked) {
            Decision::End => {
                drop((self.lease, self.turn));
                self.handle.end().await
            }
            Decision::Discard => Ok(()),
            Decision::Commit => {
                let changes = if self.turn.is_some() { self.states.changes()? } else { Changes::new() };
                let touched = |(meta, expires): &(Meta, _)| self.handle.config().touched(meta, *expires);
                let touch = self.found.as_ref().and_then(touched);
                let meta = self.found.map(|(meta, _)| meta);
                let work = Work { changes, asked, meta, lease: self.lease, touch, even_if_unchanged: false };
                self.handle.commit(work, self.turn).await
            }
        }
    }
}

fn now<S>(begun: Result<Unit<S>, Error>) -> Begun<S> {
    Either::Left(ready(begun))
}

/// An error where waiting for a turn of this session would wait for the caller itself.
pub(crate) fn not_inside_a_turn_of(id: SessionId) -> Result<(), Error> {
    let inside = CALL.try_with(|call| call.holds == Some(id)).unwrap_or(false);
    if inside { Err(Error::new(ErrorKind::NestedTurn)) } else { Ok(()) }
}

/// What the user's function runs in: so that `SessionControl` finds its call, and `Shared` the turn it must not
/// wait for.
#[derive(Debug)]
pub struct Scope(Call);

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
    pub async fn run<R>(self, function: impl Future<Output = R>) -> Result<R, Panicked> {
        let function = AssertUnwindSafe(function).catch_unwind();
        CALL.scope(self.0, function).await.map_err(Panicked)
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
