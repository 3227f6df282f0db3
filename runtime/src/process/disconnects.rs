//! Who is disconnected when. Sockets of a session that ended, or that changed its id, leave every room at once; they are
//! disconnected when the page that reconnects can show the new cookie, and when the answers before are on their way.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Ending, SessionSocket};

/// Sockets of sessions that ended.
pub(crate) type Sockets = Vec<Leaving>;

/// A socket that is to be disconnected.
pub(crate) struct Leaving {
    pub(super) socket: Arc<dyn SessionSocket>,
    /// How its session ended, where that is known.
    pub(super) ended: Option<Ending>,
}

impl Leaving {
    fn disconnect(self) {
        self.socket.disconnect(self.ended);
    }
}

/// A response that takes longer than this to leave is not waited for.
pub(crate) const LONGEST_RESPONSE: Duration = Duration::from_secs(5);

/// How long a socket that is not connected may still become so.
pub(crate) const CONNECTING: Duration = Duration::from_secs(1);

/// How long a handshake that shows a session that ended is asked to try again: until the response that removes the
/// cookie has arrived. A logout over a socket removes none; then the page gets a new session after this.
pub(super) const HANDSHAKE_IS_TOO_EARLY: Duration = Duration::from_secs(2);

/// Why sockets are disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The response that ended the session is out.
    Response,
    /// The event that ended the session is answered.
    Answer,
    /// An event found its session ended. Whoever ended it disconnects the sockets; this is for those that are left.
    FoundEnded,
    /// The session has expired, or is known to be gone for another reason: nobody waits for an answer.
    Expiry,
    /// The session ended on another node.
    EndedElsewhere,
    /// The session changed its id on another node.
    ChangedElsewhere,
    /// This node heard from itself that a session ended. The handler that ended it disconnects the sockets earlier,
    /// unless it never heard that it did.
    HeardFromItself,
    /// The node was cut off: nobody knows whether the sessions live.
    CutOff,
}

impl Cause {
    /// How long the sockets stay connected.
    const fn delay(self) -> Duration {
        match self {
            // From the end of the response's body here to its arrival in the browser.
            Self::Response => Duration::from_millis(100),
            // Answers of events before it are on their way by then.
            Self::Answer | Self::EndedElsewhere => Duration::from_millis(50),
            // The response with the new cookie is out by then, as a rule; so is the answer of whoever ended it.
            Self::FoundEnded | Self::ChangedElsewhere => Duration::from_secs(1),
            Self::HeardFromItself => Duration::from_secs(8),
            Self::Expiry | Self::CutOff => Duration::ZERO,
        }
    }

    /// Waits as long as the sockets stay connected.
    pub(crate) async fn wait(self) {
        sleep(self.delay()).await;
    }
}

/// Disconnects these sockets when it is time.
pub(crate) fn disconnect(sockets: Sockets, cause: Cause) {
    if cause.delay().is_zero() {
        sockets.into_iter().for_each(Leaving::disconnect);
    } else if !sockets.is_empty() {
        disconnect_those_left(cause, || sockets);
    }
}

/// Disconnects the sockets that are there when it is time.
pub(crate) fn disconnect_those_left(cause: Cause, sockets: impl FnOnce() -> Sockets + Send + 'static) {
    tokio::spawn(async move {
        cause.wait().await;
        sockets().into_iter().for_each(Leaving::disconnect);
    });
}
