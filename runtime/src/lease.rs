//! The lease on a call's turns: given back to the backend, however the call ends.

use std::{fmt, sync::Arc};

use crate::{
    backend::{Backend, Lease},
    id::SessionId,
};

/// A lease that a backend granted. Dropped before a commit ended it, it is given back on a task of its own.
#[derive(Default)]
pub(crate) struct HeldLease(Option<Held>);

struct Held {
    backend: Arc<dyn Backend>,
    id: SessionId,
    lease: Lease,
}

impl HeldLease {
    pub(crate) fn new(backend: &Arc<dyn Backend>, id: SessionId, lease: Lease) -> Self {
        let held = Held { backend: Arc::clone(backend), id, lease };
        Self(Some(held).filter(|held| held.lease != Lease::default()))
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
        if let Some(Held { backend, id, lease }) = self.0.take()
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
