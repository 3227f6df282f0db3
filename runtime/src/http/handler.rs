//! What `#[http_handler]` expands to: `begin`, the user's function, `finish`.

use std::{
    convert::Infallible,
    future::{Future, IntoFuture as _},
    marker::PhantomData,
};

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
        outcome::Outcome,
        running_call::{ArrivedCall, Concluded, Panicked, RunningCall},
    },
    error::{Error, ErrorKind},
    panics::caught,
};

/// A call of an annotated handler that has not begun: extracted first, it takes nothing yet.
pub struct Call<P> {
    session: Option<RequestSession>,
    states: PhantomData<fn() -> P>,
}

impl<P: States, S: Send + Sync> FromRequestParts<S> for Call<P> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { session: RequestSession::of(parts).ok(), states: PhantomData })
    }
}

/// Takes the turn, after every other extractor has run, and loads the states.
///
/// # Errors
///
/// The response that tells why they cannot be had.
pub async fn begin<P: States>(call: Call<P>) -> Result<Held<P>, Response> {
    match begin_call(call).await {
        Ok(call) => Ok(Held { call, context: () }),
        Err(error) => Err(refuse(error)),
    }
}

async fn begin_call<P: States>(call: Call<P>) -> Result<Box<RunningCall<P>>, Error> {
    let session = call.session.ok_or_else(|| Error::new(ErrorKind::LayerMissing))?;
    ArrivedCall::at(&session.live, Caller::Request(session.intents))?.begin().await
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

/// The user's value as a response.
pub fn into_response<T: IsResponse>(value: T) -> Response {
    value.respond()
}

/// The response that the user's value makes; a 500 if that panics.
pub fn respond(make: impl FnOnce() -> Response) -> Response {
    caught(|| Ok(make())).unwrap_or_else(refuse)
}

/// Commits or discards, and gives the response. `answer`: whether the user's function returned an `Err`, and what it
/// returned as a response.
pub fn finish<P: States>(
    held: Held<P>,
    answer: (bool, Result<Response, Panicked>),
) -> impl Future<Output = Response> + Send {
    let (is_err, response) = answer;
    let (response, outcome) = match response {
        Ok(response) => {
            let failed = is_err || response.status().is_server_error();
            (response, if failed { Outcome::Failed } else { Outcome::Normal })
        }
        Err(panicked) => (refuse(panicked.error()), Outcome::Panicked),
    };
    let Concluded { work, keeps_of, .. } = held.call.conclude(outcome);
    let answered = |outcome: Result<(), Error>| match outcome {
        Ok(()) => {
            // What a plain `Session` changed in the same request is kept with the call's, now that those are in.
            keeps_of.and_then(|request| request.ask(|intent| intent.keep_plain = true).ok());
            response
        }
        Err(error) => refuse(error),
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

fn refuse(error: Error) -> Response {
    error.log("an HTTP handler");
    error.into_response()
}
