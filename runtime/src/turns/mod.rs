//! Who may write, and when: turns. In `queues` calls wait first come, first served; a `ticket` is one call's way through
//! them; with a turn its `lease` is held, where a backend grants one; `passing_on` lets the next call go on before a
//! commit is in; a call that is not polled is set `aside`; `nesting` refuses to wait for a call that waits for this one;
//! `alarm` is the one timer of all who wait.
//!
//! It uses what a session is, a clock and a background task. It knows no backend: a lease goes back through a trait.

mod alarm;
mod answers;
mod aside;
mod calls;
#[cfg(test)]
mod interleavings;
mod lease;
mod nesting;
mod passing_on;
mod queues;
#[cfg(test)]
mod tests;
mod ticket;

use std::time::Duration;

pub(crate) use self::{
    answers::Behind,
    lease::LeaseHome,
    nesting::HeldTurns,
    queues::Turns,
    ticket::{Ticket, Turn},
};
pub use self::{
    lease::Lease,
    passing_on::{Arrivals, Line},
};

/// What a call does to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A snapshot of it.
    Read,
    /// A change of it, under the turn.
    Write,
}

impl Mode {
    /// Whether only one of two calls may have a state, if they do this to it.
    fn excludes(self, other: Self) -> bool {
        self == Self::Write || other == Self::Write
    }
}

/// What a call does to which states.
pub(crate) type Plan = &'static [(&'static str, Mode)];

/// Who polls the future of a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// A task of its own: always, however late. It keeps its place.
    ByItsTask,
    /// Other code, which may keep the future and not poll it. It is set aside then.
    ByItsCaller,
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
