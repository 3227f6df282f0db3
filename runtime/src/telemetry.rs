//! What an operator sees of the crate: one span a call, one line a failure, and with feature `metrics` figures. Never an
//! id, never an owner. Where nobody listens, a call costs one look at a static.

use std::{
    collections::HashMap,
    error::Error as StdError,
    fmt::{self, Display},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{Level, Span, field};

use crate::{
    error::{Error, ErrorKind},
    figures,
    log_limit::LogLimit,
};

/// What kind of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Event,
    Connect,
    ConnectMiddleware,
    Disconnect,
    Shared,
}

impl Kind {
    /// In spans, and as a label.
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Event => "event",
            Self::Connect => "connect",
            Self::ConnectMiddleware => "connect_middleware",
            Self::Disconnect => "disconnect",
            Self::Shared => "shared",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Normal,
    Failed,
    Panicked,
    /// Its client went away.
    Cancelled,
}

impl Ended {
    const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Whether somebody wants the span of a call.
#[inline]
pub(crate) fn wants_spans() -> bool {
    tracing::span_enabled!(target: "socketioxide_session", Level::INFO)
}

/// What a call answers, as it is known when it arrives.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) route: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) namespace: Option<String>,
}

/// One call, as it is watched. Empty where nobody listens. Dropped before its end, the call was cancelled.
#[derive(Default)]
pub(crate) struct Observed(Option<Box<Observation>>);

struct Observation {
    kind: Kind,
    span: Span,
    /// When it asked for its turn.
    asked: Instant,
    /// When it had its states.
    begun: Option<Instant>,
    holds_turn: bool,
    /// When its function had ended.
    concluded: Option<Instant>,
    ended: Option<Ended>,
}

impl Observed {
    /// A call that arrives. `about` is asked only where a span is wanted.
    #[inline]
    pub(crate) fn arrives(kind: Kind, about: impl FnOnce() -> About) -> Self {
        let wants_span = wants_spans();
        if wants_span || cfg!(feature = "metrics") {
            return Self::begin(kind, wants_span.then(about));
        }
        Self(None)
    }

    fn begin(kind: Kind, about: Option<About>) -> Self {
        let span = about.map_or_else(Span::none, |about| span_of(kind, about));
        let asked = Instant::now();
        let (begun, concluded, ended) = (None, None, None);
        Self(Some(Box::new(Observation { kind, span, asked, begun, holds_turn: false, concluded, ended })))
    }

    /// It has its states. `key`: the session's.
    #[inline]
    pub(crate) fn begins(
        &mut self,
        handler: &'static str,
        states: &[&str],
        holds_turn: bool,
        key: impl FnOnce() -> Arc<str>,
    ) {
        if let Some(observation) = &mut self.0 {
            let now = Instant::now();
            observation.begun = Some(now);
            observation.holds_turn = holds_turn;
            let waited = now - observation.asked;
            figures::waited(observation.kind.name(), waited);
            let span = &observation.span;
            if !span.is_disabled() {
                span.record("handler", handler);
                span.record("states", field::debug(states));
                span.record("key", &*key());
                span.record("waited", field::debug(waited));
            }
        }
    }

    /// Its handler has ended.
    #[inline]
    pub(crate) fn concludes(&mut self, ended: Ended) {
        if let Some(observation) = &mut self.0 {
            observation.concluded = Some(Instant::now());
            observation.ended = Some(ended);
        }
    }

    /// What it wanted is written, or is not to be written, or cannot be.
    pub(crate) fn ends(self, wants_commit: bool, outcome: &Result<(), Error>) {
        let Some(observation) = self.0 else { return };
        let now = Instant::now();
        if let Some(concluded) = observation.concluded.filter(|_| wants_commit) {
            figures::committed(observation.kind.name(), now - concluded);
        }
        observation.span.record("committed", wants_commit && outcome.is_ok());
        if let Err(error) = outcome {
            observation.span.record("error", error.kind().code());
        }
    }

    /// Its function does not run.
    pub(crate) fn refused(mut self, handler: &'static str, error: &Error) {
        if let Some(observation) = &mut self.0 {
            observation.ended = Some(Ended::Failed);
            observation.span.record("handler", handler);
            observation.span.record("committed", false);
            observation.span.record("error", error.kind().code());
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Runs this inside of the call's span.
    #[inline]
    pub(crate) fn inside<R>(&self, run: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(observation) => observation.span.in_scope(run),
            None => run(),
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let unwound = if std::thread::panicking() { Ended::Panicked } else { Ended::Cancelled };
        let ended = self.ended.unwrap_or(unwound);
        if let Some(begun) = self.begun.filter(|_| self.holds_turn) {
            let held = begun.elapsed();
            self.span.record("held", field::debug(held));
            figures::held(self.kind.name(), held);
        }
        self.span.record("ending", ended.name());
        figures::call(self.kind.name(), ended.name());
    }
}

fn span_of(kind: Kind, about: About) -> Span {
    let About { route, event, namespace } = about;
    tracing::info_span!(
        target: "socketioxide_session",
        "session",
        kind = kind.name(),
        route,
        event,
        namespace,
        handler = field::Empty,
        states = field::Empty,
        key = field::Empty,
        waited = field::Empty,
        held = field::Empty,
        committed = field::Empty,
        ending = field::Empty,
        error = field::Empty,
    )
}

/// Whose failure a line tells of.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scene<'a> {
    pub(crate) place: &'static str,
    pub(crate) handler: Option<&'static str>,
    pub(crate) states: &'a [&'static str],
    /// The session's, if it is known.
    pub(crate) key: Option<&'a str>,
}

/// Whether a failure is the jam of a session or a mistake with turns: it may come in great numbers.
pub(crate) const fn comes_in_numbers(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TurnTimeout | ErrorKind::TooManyWaiters | ErrorKind::TurnLost | ErrorKind::NestedTurn
    )
}

/// How often the failures of one handler were logged: handlers and kinds are as many as the program has.
fn limit_of(kind: ErrorKind, of: &'static str) -> Arc<LogLimit> {
    type Limits = HashMap<(ErrorKind, &'static str), Arc<LogLimit>>;
    static LIMITS: Mutex<Option<Limits>> = Mutex::new(None);
    Arc::clone(LIMITS.lock().get_or_insert_default().entry((kind, of)).or_default())
}

/// Whether such a failure of this handler would be logged now.
pub(crate) fn is_due(kind: ErrorKind, handler: &'static str) -> bool {
    tracing::enabled!(Level::WARN) && limit_of(kind, handler).is_due()
}

impl Error {
    /// The one log line of an error that belongs to no handler.
    pub(crate) fn log(&self, place: &'static str) {
        self.log_of(Scene { place, ..Scene::default() });
    }

    /// Writes the one log line of this error: at `error` what the application or its backend must mend, at `warn`, once a
    /// minute for each handler, what says that turns are held too long, at `debug` what a client or the moment caused.
    pub(crate) fn log_of(&self, scene: Scene<'_>) {
        let Scene { place, handler, states, key } = scene;
        let kind = self.kind();
        let code = kind.code();
        figures::error(code);
        let states = (!states.is_empty()).then(|| field::debug(states));
        let cause = self.cause().map(field::display);
        match kind {
            _ if self.is_logged() => {
                tracing::debug!(code, handler, states, key, cause, "{place}: {self}");
            }
            _ if comes_in_numbers(kind) => limit_of(kind, handler.unwrap_or(place)).log(|left_out| {
                tracing::warn!(code, handler, states, key, cause, left_out, "{place}: {self}");
            }),
            ErrorKind::NoSession | ErrorKind::SessionEnded | ErrorKind::IdChanged | ErrorKind::TooEarly => {
                tracing::debug!(code, handler, states, key, cause, "{place}: {self}");
            }
            _ => tracing::error!(code, handler, states, key, cause, "{place}: {self}"),
        }
    }

    /// What caused it, fit for a log.
    fn cause(&self) -> Option<Cause<'_>> {
        // What an extractor says of its event may quote it.
        let source = self.source().filter(|_| self.kind() != ErrorKind::BadArgument)?;
        Some(source.downcast_ref().map_or(Cause::Told(source), Cause::Json))
    }
}

/// A cause. serde quotes the value that does not decode, which belongs into no log.
enum Cause<'a> {
    Told(&'a (dyn StdError + 'static)),
    Json(&'a serde_json::Error),
}

impl Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(source) => source.fmt(f),
            Self::Json(error) => f.write_str(&without_values(&error.to_string())),
        }
    }
}

/// What serde says of a value, without the value.
fn without_values(said: &str) -> String {
    let kinds = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    let quotes = kinds.iter().find(|kind| said.starts_with(*kind));
    match (quotes, said.rsplit_once(", expected ")) {
        (Some(kind), Some((_, expected))) => format!("{kind}: expected {expected}"),
        _ if said.starts_with("missing field `") => said.to_owned(),
        _ => "the value is refused by its type".to_owned(),
    }
}
