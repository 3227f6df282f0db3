//! The unit of work: one call of a handler with its states, from its turn to its commit. Every outcome of a
//! handler, in HTTP and on sockets, is decided in [`decide`].

use std::{any::Any, future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::{
    access::States,
    backend::{Keys, Loaded},
    control::{Asked, CALL, Requests},
    error::{Error, ErrorKind},
    handle::{Handle, Lookup, Work},
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
    loaded: Option<Loaded>,
}

impl<S: States> Unit<S> {
    /// Waits for the turn, loads the states, and keeps of the turn what writing needs.
    pub(crate) async fn begin(
        handle: Arc<Handle>,
        requests: Arc<Requests>,
        mut ticket: Option<Ticket>,
    ) -> Result<Self, Error> {
        let turns = S::turns();
        let begun = Instant::now();
        if !turns.is_empty() {
            handle.writable()?;
        }
        loop {
            let Some(place) = ticket else {
                let states = S::load(None)?;
                let lease = HeldLease::default();
                return Ok(Self { states, handle, requests, lease, turn: None, loaded: None });
            };
            let turn = place.turn().await?;
            let wait = handle.config().limits.wait.saturating_sub(begun.elapsed());
            let load = handle.load_with_turns(Keys::Only(S::KEYS), &turns, wait);
            let (found, lease) = turn.while_loading(load).await?;
            let loaded = match found {
                Lookup::Found(loaded) => Some(loaded),
                Lookup::Nothing => None,
                Lookup::Renamed => {
                    ticket = handle.join::<S>()?;
                    continue;
                }
            };
            let states = S::load(loaded.as_ref())?;
            let turn = if turns.is_empty() {
                None
            } else {
                handle.writable()?;
                turn.release_reads();
                Some(turn)
            };
            return Ok(Self { states, handle, requests, lease, turn, loaded });
        }
    }

    /// The session as it was loaded.
    pub(crate) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    /// What the user's function runs in.
    pub(crate) fn scope(&self) -> Scope {
        let holds = self.turn.is_some().then(|| self.handle.id());
        Scope { requests: Arc::clone(&self.requests), holds }
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
                let changes = if self.turn.is_some() { self.states.changes()? } else { Vec::new() };
                let touch = self
                    .loaded
                    .as_ref()
                    .and_then(|loaded| self.handle.config().touched(&loaded.meta, loaded.expires));
                let meta = self.loaded.map(|loaded| loaded.meta);
                let work = Work { changes, asked, meta, lease: self.lease, touch, even_if_unchanged: false };
                self.handle.commit(work, self.turn).await
            }
        }
    }
}

tokio::task_local! {
    /// The session of which the handler that runs in this task holds a turn.
    static HOLDS: Option<SessionId>;
}

/// An error where waiting for a turn of this session would wait for the caller itself.
pub(crate) fn not_inside_a_turn_of(id: SessionId) -> Result<(), Error> {
    let inside = HOLDS.try_with(|held| *held == Some(id)).unwrap_or(false);
    if inside { Err(Error::new(ErrorKind::NestedTurn)) } else { Ok(()) }
}

/// What the user's function runs in: so that `SessionControl` finds its call, and `Shared` the turn it must not
/// wait for.
#[derive(Debug)]
pub struct Scope {
    requests: Arc<Requests>,
    holds: Option<SessionId>,
}

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
        CALL.scope(self.requests, HOLDS.scope(self.holds, function)).await.map_err(Panicked)
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
