//! A request of the module `testing` that carries a change of the session in place of an errand.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::{
    call::{live_session::LiveSession, shared::Shared},
    error::Error,
    session::state::SessionState,
};

/// In the extensions of a request: the layer sows it, and the request goes no further. Clones share the outcome.
#[derive(Clone)]
pub(crate) struct Seed(Arc<Mutex<Stage>>);

type Change = Box<dyn FnOnce(Arc<LiveSession>) -> BoxFuture<'static, Result<(), Error>> + Send>;

enum Stage {
    Given(Change),
    Taken,
    Sown(Result<(), Error>),
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").finish_non_exhaustive()
    }
}

impl Seed {
    pub(crate) fn new<T: SessionState>(change: impl FnOnce(&mut T) + Send + 'static) -> Self {
        let sow = |live| -> BoxFuture<'static, _> {
            Box::pin(async move { Shared::<T>::new(live).update(change).await })
        };
        Self(Arc::new(Mutex::new(Stage::Given(Box::new(sow)))))
    }

    /// Changes and commits, as any call of the request does.
    pub(super) async fn sow(&self, live: &Arc<LiveSession>) {
        let stage = std::mem::replace(&mut *self.0.lock(), Stage::Taken);
        if let Stage::Given(sow) = stage {
            let outcome = sow(Arc::clone(live)).await;
            *self.0.lock() = Stage::Sown(outcome);
        }
    }

    /// What came of it; `None` if no layer has seen it.
    pub(crate) fn outcome(&self) -> Option<Result<(), Error>> {
        match std::mem::replace(&mut *self.0.lock(), Stage::Taken) {
            Stage::Sown(outcome) => Some(outcome),
            Stage::Given(_) | Stage::Taken => None,
        }
    }
}
