//! The service around the application: what happens to a request before and after its handler.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum_core::{BoxError, body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower_service::Service;

use super::{
    after_response::after_response,
    engine_request::{EngineRequest, classify, sid_of_open_packet},
    error::respond,
    settings::LayerSettings,
};
use crate::{
    backend::Backend,
    call::{
        commit::Work,
        connection::Binding,
        intents::Intents,
        live_session::{CookieEffect, LiveSession},
    },
    error::{Error, ErrorKind},
    http::plain_session::PlainStore,
    process::Ending,
    session::{change::Changes, id::SessionId},
};

/// The service that [`SessionLayer`](crate::SessionLayer) makes.
#[derive(Clone)]
pub struct SessionService<S> {
    inner: S,
    backend: Arc<dyn Backend>,
    settings: Arc<LayerSettings>,
}

impl<S: fmt::Debug> fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S> SessionService<S> {
    pub(super) fn new(inner: S, backend: Arc<dyn Backend>, settings: Arc<LayerSettings>) -> Self {
        Self { inner, backend, settings }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for SessionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Send + 'static,
    ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    ResponseBody::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let mut work = RequestWork::new(&self.backend, &self.settings, &request);
        if let Some(refusal) = work.refusal_of_strangers(&request) {
            return Box::pin(async move { Ok(refusal) });
        }
        #[cfg(feature = "testing")]
        if let Some(seed) = request.extensions_mut().remove::<super::seed::Seed>() {
            return Box::pin(async move {
                seed.sow(&work.live).await;
                Ok(work.finish(Response::default()))
            });
        }
        work.hand_over_to(&mut request);
        if work.engine != EngineRequest::Handshake {
            let response = self.inner.call(request);
            return Box::pin(async move {
                let mut response = response.await?.map(Body::new);
                if work.is_left_to_save() {
                    // Boxed: most requests leave nothing, and need no room for it.
                    response = Box::pin(work.save(response)).await;
                }
                Ok(work.finish(response))
            });
        }
        // The clone takes the place of the service that was made ready, and that is used when there is a session.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let binding = match work.session_of_connection().await {
                Ok(binding) => binding,
                Err(refusal) => return Ok(refusal),
            };
            // Where the sockets of the connection find it.
            request.extensions_mut().insert(binding.clone());
            work.binding = Some(binding);
            let response = inner.call(request).await?;
            let response = work.save(response.map(Body::new)).await;
            Ok(work.finish(response))
        })
    }
}

/// What the layer does around one request. Dropped before its end, it still ends a session that was flushed.
struct RequestWork {
    live: Arc<LiveSession>,
    intents: Arc<Intents>,
    plain: Arc<PlainStore>,
    session: tower_sessions::Session,
    settings: Arc<LayerSettings>,
    engine: EngineRequest,
    shown: Option<SessionId>,
    /// Of the connection that the request opens.
    binding: Option<Binding>,
}

impl RequestWork {
    fn new<B>(backend: &Arc<dyn Backend>, settings: &Arc<LayerSettings>, request: &Request<B>) -> Self {
        let shown = settings.cookie.read(request.headers());
        let engine = classify(request, &settings.socket_path);
        let live = Arc::new(LiveSession::new(Arc::clone(backend), Arc::clone(&settings.call), shown));
        let intents = Arc::new(Intents::new(true));
        if shown.is_none() && settings.cookie.is_kept_from(request.headers()) {
            // A session that begins now would take the place of the one whose cookie was not sent.
            live.no_more_cookies();
        }
        let (plain, session) =
            PlainStore::new(Arc::clone(&live), Arc::clone(&intents), shown.map(SessionId::expose));
        Self { live, intents, plain, session, settings: Arc::clone(settings), engine, shown, binding: None }
    }

    /// Puts the session into the request's extensions.
    fn hand_over_to<B>(&self, request: &mut Request<B>) {
        hide_cookies(request.headers_mut());
        let extensions = request.extensions_mut();
        extensions.insert(self.session.clone());
        extensions.insert(Arc::clone(&self.plain));
    }

    /// What a request gets that comes from a page of another origin, or is about a connection of another session.
    fn refusal_of_strangers<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let refuse = |text| Some(respond(StatusCode::FORBIDDEN, text));
        if self.engine == EngineRequest::No {
            return None;
        }
        if !self.settings.origins.allows(request) {
            tracing::warn!(origin = ?request.headers().get(header::ORIGIN), "a page of another origin was refused");
            return refuse("this page's origin may not connect: see `SessionLayer::with_allowed_origins`");
        }
        if let EngineRequest::Of(sid) = &self.engine
            && let Some(bound) = self.live.registry().connections().session_of(sid)
            && self.shown != Some(bound)
        {
            tracing::warn!("a request with the `sid` of another session's connection was refused");
            return refuse(
                "this connection belongs to a session whose cookie was not shown: send back the cookie that the \
                          handshake set (socket.io-client in Node: `withCredentials: true`), or connect again",
            );
        }
        None
    }

    /// The session of a connection: the one whose cookie is shown, or one that begins now.
    async fn session_of_connection(&self) -> Result<Binding, Response<Body>> {
        self.live.resolve().await.map_err(refuse)?;
        if !self.live.is_stored() {
            if self.shown.is_some_and(|id| self.live.registry().has_just_ended(id)) {
                let text = "this session has just ended or changed its id: connect again with the new cookie";
                return Err(respond(StatusCode::SERVICE_UNAVAILABLE, text));
            }
            if self.settings.session_on_handshake && self.live.may_begin() {
                self.live.begin_provisional().await.map_err(refuse)?;
            }
        }
        Ok(Binding::new(self.live.for_connection()))
    }

    /// Whether the request left something to save: what was asked for, or what a plain `Session` changed.
    fn is_left_to_save(&self) -> bool {
        self.settings.call.always_save
            || self.session.is_modified()
            || self.plain.was_used()
            || self.intents.are_asked_for()
    }

    async fn save(&self, response: Response<Body>) -> Response<Body> {
        if self.engine == EngineRequest::Handshake && !opened(response.status()) {
            self.undo_handshake().await;
            response
        } else {
            match self.conclude(response.status()).await {
                Ok(()) => self.learn_sid(response).await,
                Err(error) => refuse(error),
            }
        }
    }

    /// Sets the cookie.
    fn finish(self, mut response: Response<Body>) -> Response<Body> {
        self.live.no_more_cookies();
        self.set_cookie(&mut response);
        after_response(self.live.take_sockets(), response)
    }

    async fn conclude(&self, status: StatusCode) -> Result<(), Error> {
        let good = !status.is_server_error();
        let of_view = self.plain.conclude(&self.live, &self.session, good).await;
        let intent = self.intents.take();
        if intent.flush {
            self.live.end().outcome().await?;
        } else if intent.anything() && (good || intent.keep_changes) && of_view.is_ok() {
            self.live.commit(Work { intent, ..Work::of(Changes::new()) }, None).outcome().await?;
        }
        of_view
    }

    /// Binds the connection that a handshake by polling opened to its session's cookie.
    async fn learn_sid(&self, response: Response<Body>) -> Response<Body> {
        let Some(binding) = self.binding.as_ref().filter(|_| response.status().is_success()) else {
            return response;
        };
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                if let Some(sid) = sid_of_open_packet(&body) {
                    binding.opened(sid);
                }
                Response::from_parts(parts, Body::from(body))
            }
            Err(error) => refuse(Error::new(ErrorKind::Backend).because(error)),
        }
    }

    /// A handshake that was refused leaves no session behind.
    async fn undo_handshake(&self) {
        if matches!(self.live.take_cookie(), CookieEffect::Set { .. }) {
            if let Err(error) = self.live.end().outcome().await {
                error.log("a refused handshake");
            }
            self.live.take_cookie();
        }
    }

    fn set_cookie(&self, response: &mut Response<Body>) {
        let ending = |id| self.live.registry().ending(id);
        let overtaken =
            |id: &SessionId| !self.live.has_changed_id() && ending(*id) == Some(Ending::IdChanged);
        let effect = self.live.take_cookie();
        if effect == CookieEffect::Keep && !response.headers().contains_key(header::SET_COOKIE) {
            return;
        }
        if self.shown.is_some_and(|id| overtaken(&id)) {
            // The browser has, or will have, the cookie of the new id: nothing may overwrite it.
            self.settings.cookie.take_out(response.headers_mut());
            return;
        }
        let cookie = match effect {
            CookieEffect::Keep => None,
            CookieEffect::Set { id, .. } if ending(id).is_some() => None,
            CookieEffect::Set { id, expiry, last } => self.settings.cookie.set(id, expiry, last),
            CookieEffect::Remove => self.shown.and_then(|_| self.settings.cookie.remove()),
        };
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

impl Drop for RequestWork {
    fn drop(&mut self) {
        let intent = self.plain.close();
        // What a commit did whose client left; or will have done, which its handle then sees to.
        after_response(self.live.take_sockets(), Response::default());
        if intent.flush || self.intents.take().flush {
            let live = Arc::clone(&self.live);
            tokio::spawn(async move {
                if let Err(error) = live.end().outcome().await {
                    error.log("a flush whose client left");
                }
                after_response(live.take_sockets(), Response::default());
            });
        }
    }
}

/// Sockets keep the head of their handshake's request: nobody who prints it shall print the session's id.
fn hide_cookies(headers: &mut HeaderMap) {
    // Not by `entry`, which makes room for one more header: sockets would keep that, too.
    for (name, value) in headers.iter_mut() {
        if *name == header::COOKIE {
            value.set_sensitive(true);
        }
    }
}

/// Whether the Socket.IO layer opened a connection.
fn opened(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS
}

fn refuse(error: Error) -> Response<Body> {
    error.log("a request");
    error.into_response()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn hiding_cookies_makes_no_room_for_more_headers() {
        let mut headers = HeaderMap::with_capacity(2);
        for cookie in ["a=1", "b=2"] {
            headers.append(header::COOKIE, HeaderValue::from_static(cookie));
        }
        let room = headers.capacity();
        for number in 1..room {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            headers.insert(name, HeaderValue::from_static("seen"));
        }
        hide_cookies(&mut headers);
        assert_eq!(headers.capacity(), room);
        let hidden: Vec<_> = headers.iter().map(|(name, value)| (name, value.is_sensitive())).collect();
        assert!(hidden.iter().all(|(name, hidden)| *hidden == (*name == header::COOKIE)), "{hidden:?}");
    }
}
