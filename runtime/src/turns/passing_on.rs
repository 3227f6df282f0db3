//! The calls that wait behind one that commits: the turn may go on to the next of them before the commit is in.

use std::{fmt, mem, sync::Arc};

use parking_lot::Mutex;

use super::{Turn, answers::Behind};

/// A moment in the order in which the calls of a session came; [`Registry::arrivals`] gives it.
///
/// [`Registry::arrivals`]: crate::backend::Registry::arrivals
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrivals(pub(super) u64);

/// The calls of this process that wait for the turn of a call that commits. Clones are of the same line.
#[derive(Clone)]
pub struct Line(Arc<Mutex<Behind>>);

impl Line {
    pub(crate) fn behind(turn: Turn) -> Self {
        Self(Arc::new(Mutex::new(Behind::turn(Some(turn)))))
    }

    /// When the next call came, if it writes the very states of this one.
    pub fn next_came(&self) -> Option<Arrivals> {
        self.0.lock().held()?.successor_came()
    }

    /// Passes the turn and its lease on to the next call, if that one writes the very states of this one and had come
    /// by that moment. `false`: nothing was passed on.
    pub fn pass_on(&self, came: Arrivals) -> bool {
        let mut behind = self.0.lock();
        let Some(turn) = behind.take_turn() else { return false };
        *behind = turn.pass_on(came);
        behind.held().is_none()
    }

    /// What is behind the call. From now on nobody can pass the turn on.
    pub(crate) fn take(&self) -> Behind {
        mem::replace(&mut *self.0.lock(), Behind::nobody())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
