//! Who may write, and when: turns. In `queues` calls wait first come, first served; a `ticket` is one call's way through
//! them; with a turn its `lease` is held, where a backend grants one; `passing_on` lets the next call go on before a
//! commit is in; `alarm` is the one timer of all who wait.
//!
//! It uses what a session is, a clock and a background task. It knows no backend: a lease goes back through a trait.

mod alarm;
mod calls;
#[cfg(test)]
mod interleavings;
mod lease;
mod passing_on;
mod queues;
#[cfg(test)]
mod tests;
mod ticket;

use std::time::Duration;

pub use self::{
    lease::Lease,
    passing_on::{Arrivals, Line},
};
pub(crate) use self::{
    lease::LeaseHome,
    queues::Turns,
    ticket::{Ticket, Turn},
};

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
