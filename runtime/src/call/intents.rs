//! What a call, or a request, wants of the session itself, and where that is collected until its end is known.

use std::sync::Arc;

use parking_lot::Mutex;
use tower_sessions::Expiry;

use crate::session::id::SessionId;

/// What was asked for in a call (or, in HTTP, in a request) and is not carried out yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Intent {
    pub(crate) cycle_id: bool,
    pub(crate) flush: bool,
    pub(crate) keep_changes: bool,
    /// The outer `Option`: whether it was asked for at all.
    #[allow(clippy::option_option, reason = "no expiry of its own is an expiry to ask for")]
    pub(crate) expiry: Option<Option<Expiry>>,
}

impl Intent {
    pub(crate) fn anything(&self) -> bool {
        self.cycle_id || self.flush || self.expiry.is_some()
    }
}

/// Collects what is asked for, until it is taken to be carried out.
#[derive(Debug)]
pub(crate) struct Intents {
    pub(super) intent: Mutex<Intent>,
    /// Whether a cookie can be set at the end.
    pub(super) can_cycle: bool,
}

impl Intents {
    pub(crate) fn new(can_cycle: bool) -> Self {
        Self { intent: Mutex::default(), can_cycle }
    }

    pub(crate) fn are_asked_for(&self) -> bool {
        self.intent.lock().anything()
    }

    pub(crate) fn ask_for_end(&self) -> bool {
        self.intent.lock().flush
    }

    pub(crate) fn take(&self) -> Intent {
        std::mem::take(&mut *self.intent.lock())
    }
}

/// The call of an annotated handler.
#[derive(Debug)]
pub(crate) struct CurrentCall {
    pub(crate) intents: CallIntents,
    /// The session of which it holds a turn.
    pub(crate) holds: Option<SessionId>,
}

/// Where a call's intent is collected.
#[derive(Debug)]
pub(crate) enum CallIntents {
    /// With the request's, which the layer carries out if the call does not.
    OfRequest(Arc<Intents>),
    /// In the call itself: on a socket, where no cookie can be set.
    OfCall(Intents),
}

impl CallIntents {
    /// `request`: what is collected for the request of the call, if it is one.
    pub(crate) fn new(request: Option<Arc<Intents>>) -> Self {
        request.map_or_else(|| Self::OfCall(Intents::new(false)), Self::OfRequest)
    }

    pub(crate) fn intents(&self) -> &Intents {
        match self {
            Self::OfRequest(intents) => intents,
            Self::OfCall(intents) => intents,
        }
    }
}

tokio::task_local! {
    /// The call that runs in this task.
    pub(crate) static CURRENT_CALL: CurrentCall;
}
