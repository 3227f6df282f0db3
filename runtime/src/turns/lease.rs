//! The lease on a call's turns: given back to the backend, however the call ends.

use std::{fmt, sync::Arc};

use crate::{
    backend::{Backend, Lease},
    session::id::SessionId,
    turns::Baton,
};

/// A lease that a backend granted. Dropped before a commit ended it, it is given back on a task of its own.
#[derive(Default)]
pub(crate) struct HeldLease(Option<Held>);

struct Held {
    backend: Arc<dyn Backend>,
    id: SessionId,
    lease: Lease,
    /// The call before had it, too.
    passed_on: bool,
}

impl HeldLease {
    pub(crate) fn new(backend: &Arc<dyn Backend>, id: SessionId, lease: Lease) -> Self {
        let held = Held { backend: Arc::clone(backend), id, lease, passed_on: false };
        Self(Some(held).filter(|held| held.lease != Lease::default()))
    }

    /// For the call that has the turn next.
    pub(crate) fn into_baton(mut self) -> Baton {
        if let Some(held) = &mut self.0 {
            held.passed_on = true;
        }
        Box::new(self)
    }

    /// Of the call before, if it left any.
    pub(crate) fn of_baton(baton: Option<Baton>) -> Self {
        baton.and_then(|baton| baton.downcast().ok()).map_or_else(Self::default, |lease| *lease)
    }

    /// Whether the call before had it, too, so that this one has values that may not be saved yet.
    pub(crate) fn is_passed_on(&self) -> bool {
        self.0.as_ref().is_some_and(|held| held.passed_on)
    }

    /// For a commit.
    pub(crate) fn lease(&self) -> Lease {
        self.0.as_ref().map_or_else(Lease::default, |held| held.lease)
    }

    /// A commit has ended it.
    pub(crate) fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        if let Some(Held { backend, id, lease, .. }) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { backend.release(id, lease).await });
        }
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldLease").field(&self.lease()).finish()
    }
}
