//! What can go wrong, each kind with one HTTP status and one code for sockets.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

use http::StatusCode;

/// What went wrong, for programs to decide on.
///
/// Each kind has one HTTP [status](ErrorKind::status) and one [code](ErrorKind::code) that a Socket.IO client
/// finds in `{"error": "<text>", "code": "<kind>"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No [`SessionLayer`](crate::SessionLayer) saw the request or the socket's handshake. 500, `layer_missing`.
    LayerMissing,
    /// A write, but there is no session and none can begin here: a socket whose handshake was given none, or
    /// a background task whose response has left. 403, `no_session`.
    NoSession,
    /// The session ended (logout, expiry) while this call ran, or before it began. 409, `session_ended`.
    SessionEnded,
    /// The session's id changed (login) while this call ran under the old one. 409, `id_changed`.
    IdChanged,
    /// The turn did not come within [`with_turn_timeout`](crate::SessionLayer::with_turn_timeout). 503,
    /// `turn_timeout`.
    TurnTimeout,
    /// [`with_max_waiters`](crate::SessionLayer::with_max_waiters) calls wait for this turn already. 503,
    /// `too_many_waiters`.
    TooManyWaiters,
    /// The turn was held longer than [`with_turn_limit`](crate::SessionLayer::with_turn_limit) (or its lease
    /// was lost) and has passed on: nothing was written. 503, `turn_lost`.
    TurnLost,
    /// A call that holds a turn would wait for itself: [`Shared`](crate::Shared) was used inside of it, or a handler
    /// behind an annotated middleware wants a state that the middleware holds, or would wait in a circle. 500,
    /// `nested_turn`.
    NestedTurn,
    /// A stored value does not decode into its state; it stays as it is. 500, `undecodable`.
    Undecodable,
    /// A state or an answer could not be serialised. 500, `encode`.
    Encode,
    /// The backend failed, or did not answer within
    /// [`with_backend_timeout`](crate::SessionLayer::with_backend_timeout); or an earlier write to the session may still
    /// arrive; or there is no room for another session. Nothing was written. 503, `backend`.
    Backend,
    /// The backend's answer to a commit was lost, is an error, or did not come in time: whether it took place is not known.
    /// 500, `outcome_unknown`.
    OutcomeUnknown,
    /// A [`SessionControl`](crate::SessionControl) method was called where it cannot act. 500, `unavailable`.
    Unavailable,
    /// An extractor of a socket handler failed: what the event carries is not what the handler takes. 400, `bad_argument`.
    BadArgument,
    /// An event came before its socket was set up: it found no handler, or the connect handler failed. 503, `too_early`.
    TooEarly,
    /// The backend cannot be asked for sessions by their owners or keys: that takes `MemoryBackend` or `RedisBackend`. 501,
    /// `unsupported`.
    Unsupported,
    /// The handler panicked, or the code of a value of its did: a state, what it returned. 500, `panicked`.
    Panicked,
}

impl ErrorKind {
    /// The HTTP status that answers a request that failed like this.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadArgument => StatusCode::BAD_REQUEST,
            Self::NoSession => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Self::SessionEnded | Self::IdChanged => StatusCode::CONFLICT,
            Self::TurnTimeout | Self::TooManyWaiters | Self::TurnLost | Self::Backend | Self::TooEarly => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::LayerMissing
            | Self::NestedTurn
            | Self::Undecodable
            | Self::Encode
            | Self::OutcomeUnknown
            | Self::Unavailable
            | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code that a Socket.IO client sees.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LayerMissing => "layer_missing",
            Self::NoSession => "no_session",
            Self::SessionEnded => "session_ended",
            Self::IdChanged => "id_changed",
            Self::TurnTimeout => "turn_timeout",
            Self::TooManyWaiters => "too_many_waiters",
            Self::TurnLost => "turn_lost",
            Self::NestedTurn => "nested_turn",
            Self::Undecodable => "undecodable",
            Self::Encode => "encode",
            Self::Backend => "backend",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unavailable => "unavailable",
            Self::BadArgument => "bad_argument",
            Self::TooEarly => "too_early",
            Self::Unsupported => "unsupported",
            Self::Panicked => "panicked",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::LayerMissing => {
                "no SessionLayer saw this request: write `.layer(SessionLayer::new(backend))` as the last \
                 `.layer(..)` of the router, after `.layer(socket_layer)`, so that it is outside of both the \
                 routes and the Socket.IO layer"
            }
            Self::NoSession => {
                "there is no session here and none can begin: for a socket see `SessionLayer::with_session_on_handshake`, \
                 for a request from another site `with_same_site`"
            }
            Self::SessionEnded => "the session has ended; nothing was saved",
            Self::IdChanged => "the session's id has changed; nothing was saved under the old one",
            Self::TurnTimeout => "the session is busy: the turn did not come in time",
            Self::TooManyWaiters => "the session is busy: too many calls wait for this turn",
            Self::TurnLost => "the turn was held too long and has passed on; nothing was saved",
            Self::NestedTurn => {
                "a call that holds a turn of this session cannot wait for another one, as `Shared` does: name the \
                 state in the attribute of the handler instead"
            }
            Self::Undecodable => "a stored value does not decode into its state",
            Self::Encode => "a value could not be serialised",
            Self::Backend => "the session backend failed",
            Self::OutcomeUnknown => {
                "the session backend's answer was lost: the change may or may not be saved"
            }
            Self::Unavailable => "this is not possible here",
            Self::BadArgument => {
                "the handler of this event was not called: an argument that it takes could not be had from the event"
            }
            Self::Unsupported => {
                "this session backend cannot be asked for sessions by their owners or keys: use `MemoryBackend` or \
                 `RedisBackend`, or keep a list of your own beside it"
            }
            Self::TooEarly => "the event came before its socket was set up; nothing was done with it",
            Self::Panicked => "the handler, or the code of one of its values, panicked",
        }
    }
}

/// The crate's error.
///
/// Its text is fit for clients: it holds no stored value, no id and nothing of a backend's own message. The
/// cause is its [`source`](StdError::source).
///
/// ```
/// use socketioxide_session::{Error, ErrorKind};
///
/// fn retry_later(error: &Error) -> bool {
///     matches!(error.kind(), ErrorKind::TurnTimeout | ErrorKind::TooManyWaiters | ErrorKind::Backend)
/// }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Told>);

/// Behind a pointer: what can fail is handed on far more often than it fails.
struct Told {
    kind: ErrorKind,
    /// There is a line in the log already, or as many as are wanted.
    is_logged: bool,
    text: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self::with_text(kind, kind.text())
    }

    pub(crate) fn with_text(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Told { kind, is_logged: false, text: text.into(), source: None }))
    }

    /// One that whoever found it has logged.
    pub(crate) fn logged(kind: ErrorKind, text: &'static str) -> Self {
        Self(Arc::new(Told { kind, is_logged: true, text: text.into(), source: None }))
    }

    pub(crate) fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let Told { kind, is_logged, ref text, .. } = *self.0;
        Self(Arc::new(Told { kind, is_logged, text: text.clone(), source: Some(source.into()) }))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether only the backend is to blame, and not what became of the session.
    pub(crate) fn is_the_backends(&self) -> bool {
        matches!(self.kind(), ErrorKind::Backend | ErrorKind::OutcomeUnknown | ErrorKind::TurnLost)
    }

    /// Whether the session has ended, or goes on under another id.
    pub(crate) fn says_that_the_session_is_over(&self) -> bool {
        matches!(self.kind(), ErrorKind::SessionEnded | ErrorKind::IdChanged | ErrorKind::NoSession)
    }

    /// Whether whoever found it has logged it.
    pub(crate) fn is_logged(&self) -> bool {
        self.0.is_logged
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { kind, text, source, .. } = &*self.0;
        f.debug_struct("Error").field("kind", kind).field("text", text).field("source", source).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}
