//! The answers of one connection that wait for room in its buffer, because its client reads too little.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// So many answers of one connection may wait; a client that reads so little is disconnected.
const MOST_WAITING: usize = 20_000;

#[derive(Default)]
pub(crate) struct Backlog {
    /// Held by the one answer that looks for room, so that the others wait in line.
    first: Mutex<()>,
    waiting: AtomicUsize,
    /// The client was given up: nothing more waits for it.
    given_up: AtomicBool,
}

/// The place of an answer that waits for room.
pub(crate) struct BacklogSlot<'a>(&'a Backlog);

impl Drop for BacklogSlot<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backlog {
    /// A place for an answer; `None` if too many wait already.
    pub(crate) fn enter(&self) -> Option<BacklogSlot<'_>> {
        let slot = BacklogSlot(self);
        (self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(slot)
    }

    /// Whether answers wait.
    pub(super) fn any_waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until this answer is the first in line.
    pub(crate) async fn first(&self) -> MutexGuard<'_, ()> {
        self.first.lock().await
    }

    /// Gives the client up. Whether this is the first to do so.
    pub(crate) fn give_up(&self) -> bool {
        !self.given_up.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn was_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}
