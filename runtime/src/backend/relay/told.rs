//! One error of which several calls are told: each gets an error of its own with the same reason.

use std::{error::Error as StdError, fmt, sync::Arc};

use crate::backend::BackendError;

/// The error, for one of the calls that sent the commit.
pub(super) fn copy(error: Arc<BackendError>) -> BackendError {
    match &*error {
        BackendError::Gone => BackendError::Gone,
        BackendError::TurnTimeout => BackendError::TurnTimeout,
        BackendError::TurnLost => BackendError::TurnLost,
        BackendError::NotAnObject(key) => BackendError::NotAnObject(key.clone()),
        BackendError::NotJson(key) => BackendError::NotJson(key.clone()),
        BackendError::OutcomeUnknown(_) => BackendError::OutcomeUnknown(Box::new(SharedReason(error))),
        BackendError::OldIdMayLive(_) => BackendError::OldIdMayLive(Box::new(SharedReason(error))),
        BackendError::Full => BackendError::Full,
        BackendError::Failed(_) => BackendError::Failed(Box::new(SharedReason(error))),
    }
}

/// For a call after them, whose values were never saved. Nothing of its own was sent.
pub(super) fn unsent(error: &Arc<BackendError>) -> BackendError {
    match &**error {
        BackendError::Gone => BackendError::Gone,
        BackendError::TurnLost => BackendError::TurnLost,
        _ => BackendError::failed(Unsent(SharedReason(Arc::clone(error)))),
    }
}

/// Shows and gives the reason of the error, not the error itself.
#[derive(Debug)]
struct SharedReason(Arc<BackendError>);

impl fmt::Display for SharedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(source) => fmt::Display::fmt(source, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl StdError for SharedReason {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the call before, whose values this one was given, could not be saved; nothing of this one was sent")]
struct Unsent(#[source] SharedReason);
