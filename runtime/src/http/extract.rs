//! What handlers extract from a request: `SessionControl`, `Shared`.

use std::{convert::Infallible, sync::Arc};

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::{
    call::{
        control::SessionControl, intents::Intents, live_session::LiveSession, sessions::Sessions,
        shared::Shared,
    },
    error::{Error, ErrorKind},
    http::plain_session::PlainStore,
    session::state::SessionState,
};

/// The session of a request.
pub(super) struct RequestSession {
    pub(super) live: Arc<LiveSession>,
    pub(super) intents: Arc<Intents>,
}

impl RequestSession {
    pub(super) fn of(parts: &Parts) -> Result<Self, Error> {
        let plain = parts.extensions.get::<Arc<PlainStore>>();
        let (live, intents) =
            plain.and_then(|plain| plain.request()).ok_or_else(|| Error::new(ErrorKind::LayerMissing))?;
        Ok(Self { live, intents })
    }

    async fn control(self) -> Result<SessionControl, Error> {
        self.live.resolve().await.inspect_err(|error| error.log("SessionControl"))?;
        Ok(SessionControl::of_request(self.intents, self.live))
    }
}

/// For any handler. The layer, or an annotated handler's own commit, carries out what is asked for.
impl<S: Send + Sync> FromRequestParts<S> for SessionControl {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = RequestSession::of(parts).inspect_err(|error| error.log("SessionControl"))?;
        session.control().await
    }
}

/// `None` where there is no layer of sessions around, as where a library's route is used with and without. A visitor without
/// a session has a `SessionControl` as well.
impl<S: Send + Sync> OptionalFromRequestParts<S> for SessionControl {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        match RequestSession::of(parts) {
            Ok(session) => session.control().await.map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// For any handler.
impl<S: Send + Sync> FromRequestParts<S> for Sessions {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = RequestSession::of(parts).inspect_err(|error| error.log("Sessions"))?;
        Ok(session.live.all_sessions())
    }
}

impl<T: SessionState, S: Send + Sync> FromRequestParts<S> for Shared<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = RequestSession::of(parts).inspect_err(|error| error.log("Shared"))?;
        Ok(Self::new(session.live))
    }
}

/// `None` where there is no layer of sessions around. Where nothing is stored, it is there and reads `T::default()`.
impl<T: SessionState, S: Send + Sync> OptionalFromRequestParts<S> for Shared<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(RequestSession::of(parts).ok().map(|session| Self::new(session.live)))
    }
}
