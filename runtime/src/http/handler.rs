//! What `#[http_handler]` expands to: `begin`, the user's function, `finish`.

use std::{
    convert::Infallible,
    future::{Future, IntoFuture as _},
    marker::PhantomData,
    sync::Arc,
};

use axum::extract::MatchedPath;
pub(crate) use axum::middleware::Next;
pub use axum_core::extract::Request;
pub(crate) use axum_core::extract::{FromRequest, FromRequestParts};
pub use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::extract::RequestSession;
use crate::{
    backend::Answer,
    call::{
        access::States,
        current_call::Caller,
        detached::Committed,
        held::Held,
        live_session::LiveSession,
        outcome::Outcome,
        running_call::{ArrivedCall, Concluded},
        scope::Panicked,
    },
    error::{Error, ErrorKind},
    panics::caught,
    telemetry::{self, About, Kind, Observed, Scene},
};

/// A call of an annotated handler that has not begun: extracted first, it takes nothing yet.
pub struct Call<P> {
    session: Option<RequestSession>,
    /// Where somebody wants to see it.
    route: Option<String>,
    states: PhantomData<fn() -> P>,
}

/// For any `P`: that its states are none is told where the attribute stands, and not again where the handler is registered.
impl<P, S: Send + Sync> FromRequestParts<S> for Call<P> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let route = if telemetry::wants_spans() { route_of(parts) } else { None };
        Ok(Self { session: RequestSession::of(parts).ok(), route, states: PhantomData })
    }
}

/// As the router has it: never the path itself, in which anything may stand.
fn route_of(parts: &Parts) -> Option<String> {
    parts.extensions.get::<MatchedPath>().map(|route| route.as_str().to_owned())
}

/// Takes the turn, after every other extractor has run, and loads the states. `handler`: the user's function.
///
/// # Errors
///
/// The response that tells why they cannot be had.
pub async fn begin<P: States>(call: Call<P>, handler: &'static str) -> Result<Held<P>, Response> {
    let Call { session, route, .. } = call;
    // It is a call from now on: whatever an extractor refuses is none.
    let observed = Observed::arrives(Kind::Http, || About { route, ..About::default() });
    let Some(RequestSession { live, intents }) = session else {
        let scene = Scene { place: PLACE, handler: Some(handler), states: P::KEYS, key: None };
        let error = Error::new(ErrorKind::LayerMissing);
        observed.inside(|| error.log_of(scene));
        observed.refused(handler, &error);
        return Err(error.into_response());
    };
    let begun = match ArrivedCall::at(&live, Caller::Request(intents)) {
        Ok(arrived) => arrived.begin().await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(mut call) => {
            call.of_handler(handler, observed);
            Ok(Held { call, context: () })
        }
        Err(error) => Err(Box::pin(not_begun::<P>(error, live, handler, observed)).await),
    }
}

/// The log names the session by its key, also where it was not loaded yet; but only if there is a line.
async fn not_begun<P: States>(
    error: Error,
    live: Arc<LiveSession>,
    handler: &'static str,
    observed: Observed,
) -> Response {
    if telemetry::comes_in_numbers(error.kind()) && telemetry::is_due(error.kind(), handler) {
        live.resolve().await.ok();
    }
    let response = observed.inside(|| refuse_of::<P>(error.clone(), &live, handler));
    observed.refused(handler, &error);
    response
}

/// What an HTTP handler returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no response",
    label = "does not implement `IntoResponse`",
    note = "return `Json(value)` with a `T: Serialize`, a `String`, or `(StatusCode, value)`; an error becomes a response by \
            `map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))`, or by an `IntoResponse` of its own; for \
            `None`, `ok_or(StatusCode::NOT_FOUND)`"
)]
pub trait IsResponse {
    #[doc(hidden)]
    fn respond(self) -> Response;
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> IsResponse for T {
    fn respond(self) -> Response {
        self.into_response()
    }
}

/// The response that the user's value makes; or its panic, with which the call has failed as one whose answer is a 5xx.
///
/// # Errors
///
/// If there is no value: the user's function panicked.
pub fn respond<T: IsResponse>(result: Result<T, Panicked>) -> Result<Result<Response, Panicked>, Panicked> {
    result.map(|value| caught(|| Ok(value.respond())).map_err(Panicked::of))
}

/// Commits or discards, and gives the response. `answer`: whether the user's function returned an `Err`, and what it
/// returned as a response, if one could be made of it.
pub fn finish<P: States>(
    held: Held<P>,
    answer: (bool, Result<Result<Response, Panicked>, Panicked>),
) -> impl Future<Output = Response> + Send {
    let (is_err, response) = answer;
    let call = &held.call;
    let refused = |panicked: Panicked| refuse_of::<P>(panicked.error(), call.live(), call.handler());
    let (response, outcome) = match response {
        Ok(Ok(response)) => {
            let failed = is_err || response.status().is_server_error();
            (response, if failed { Outcome::Failed } else { Outcome::Normal })
        }
        Ok(Err(panicked)) => (refused(panicked), Outcome::Failed),
        Err(panicked) => (refused(panicked), Outcome::Panicked),
    };
    let Concluded { work, keeps_of, handler, live, .. } = held.call.conclude(outcome);
    let answered = move |outcome: Result<(), Error>| match outcome {
        Ok(()) => {
            // What a plain `Session` changed in the same request is kept with the call's, now that those are in.
            keeps_of.and_then(|request| request.ask(|intent| intent.keep_plain = true).ok());
            response
        }
        Err(error) => refuse_of::<P>(error, &live, handler),
    };
    match work.now() {
        Ok(Committed { outcome, behind }) => {
            drop(behind);
            Answer::Ready(answered(outcome))
        }
        Err(waits) => Answer::pending(async move { answered(waits.outcome().await) }),
    }
    .into_future()
}

const PLACE: &str = "an HTTP handler";

fn refuse_of<P: States>(error: Error, live: &LiveSession, handler: &'static str) -> Response {
    live.log(&error, PLACE, handler, P::KEYS);
    error.into_response()
}
