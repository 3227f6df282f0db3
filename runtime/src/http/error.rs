//! The crate's errors as responses.

use std::sync::Arc;

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use crate::error::Error;

/// What a client is asked to wait before it tries again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The kind's status, and the error's text. A 503 says when to try again. The response's extensions hold the error itself,
/// as `Arc<Error>`, for a middleware that makes pages of its own.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = respond(self.kind().status(), self.to_string());
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

pub(super) fn respond(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}
