//! Leases: turns across processes. A backend grants one with the turn; it is held with the turn, and given back when the
//! turn ends without a commit.

use std::{fmt, sync::Arc};

use super::answers::AnswersBefore;
use crate::session::id::SessionId;

/// The right to commit what was loaded with turns. In one process it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lease(pub u64);

/// Where a lease came from: a backend of several processes.
pub(crate) trait LeaseHome: Send + Sync {
    /// Takes a lease back. Does not wait for it.
    fn give_back(&self, session: SessionId, lease: Lease);
}

/// A lease that was granted. Dropped before a commit ended it, it is given back.
pub(crate) struct HeldLease {
    home: Arc<dyn LeaseHome>,
    session: SessionId,
    lease: Option<Lease>,
    /// The call before had it, too; and this is when that one has answered.
    pub(super) passed_on: Option<AnswersBefore>,
}

impl HeldLease {
    pub(crate) fn new(home: Arc<dyn LeaseHome>, session: SessionId, lease: Lease) -> Self {
        Self { home, session, lease: Some(lease), passed_on: None }
    }

    pub(super) fn lease(&self) -> Lease {
        self.lease.unwrap_or_default()
    }

    /// A commit has ended it: there is nothing to give back.
    pub(super) fn end(mut self) {
        self.lease = None;
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.home.give_back(self.session, lease);
        }
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldLease").field(&self.lease()).finish()
    }
}
