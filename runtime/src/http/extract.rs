//! What handlers extract from a request: `SessionControl`, `Shared`.

use std::sync::Arc;

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use crate::{
    call::{
        control::{Requests, SessionControl},
        live_session::Handle,
        shared::Shared,
    },
    error::{Error, ErrorKind},
    http::plain_session::RequestView,
    session::state::SessionState,
};

/// The session of a request.
pub(super) struct RequestSession {
    pub(super) handle: Arc<Handle>,
    pub(super) requests: Arc<Requests>,
}

impl RequestSession {
    pub(super) fn of(parts: &Parts) -> Result<Self, Error> {
        let view = parts.extensions.get::<Arc<RequestView>>();
        let (handle, requests) =
            view.and_then(|view| view.request()).ok_or_else(|| Error::new(ErrorKind::LayerMissing))?;
        Ok(Self { handle, requests })
    }
}

/// For any handler. The layer, or an annotated handler's own commit, carries out what is asked for.
impl<S: Send + Sync> FromRequestParts<S> for SessionControl {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = RequestSession::of(parts).inspect_err(|error| error.log("SessionControl"))?;
        session.handle.resolve().await.inspect_err(|error| error.log("SessionControl"))?;
        Ok(Self::of_request(session.requests, session.handle.key()))
    }
}

impl<T: SessionState, S: Send + Sync> FromRequestParts<S> for Shared<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = RequestSession::of(parts).inspect_err(|error| error.log("Shared"))?;
        Ok(Self::new(session.handle))
    }
}
