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
use http::{HeaderMap, Request, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use tower_service::Service;

use super::{
    after_response::after_response,
    engine_request::{EngineRequest, classify, sid_of_open_packet},
    error::respond,
    settings::LayerSettings,
    token::NEW,
    visitor::{Visitor, begins},
};
use crate::{
    backend::Backend,
    call::{
        connection::Binding,
        current_call::end_in_background,
        intents::{Intent, Intents},
        live_session::{Begins, CookieEffect, LiveSession},
        outcome::{Decision, Outcome, decide},
    },
    error::{Error, ErrorKind},
    http::plain_session::PlainStore,
    process::Ending,
    session::id::SessionId,
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

/// The response, once it is there.
type Answering<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

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
    type Future = Answering<Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let shown = self.settings.cookie.read(&head.headers);
        let known = match shown.ids.len() {
            0 | 1 => Some(Visitor::of_only(&self.settings, &shown, &head)),
            _ => head.extensions.remove::<Visitor>(),
        };
        if let Some(visitor) = known {
            return self.serve(head, body, visitor);
        }
        // The clone takes the place of the service that was made ready, and that is used when it is known who asks.
        let clone = self.clone();
        let mut ready = std::mem::replace(self, clone);
        Box::pin(async move {
            match Visitor::who_is_alive(&ready.backend, &ready.settings, &shown, &head).await {
                Ok(visitor) => {
                    head.extensions.insert(visitor);
                    ready.call(Request::from_parts(head, body)).await
                }
                Err(error) => Ok(refuse(error)),
            }
        })
    }
}

impl<S> SessionService<S> {
    fn serve<RequestBody, ResponseBody>(
        &mut self,
        mut head: Parts,
        body: RequestBody,
        visitor: Visitor,
    ) -> Answering<S::Error>
    where
        S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
        S::Future: Send,
        RequestBody: Send + 'static,
        ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
        ResponseBody::Error: Into<BoxError>,
    {
        if PlainStore::is_of(&head, &self.backend, &self.settings) {
            let response = self.inner.call(Request::from_parts(head, body));
            return Box::pin(async move { Ok(response.await?.map(Body::new)) });
        }
        let mut work = RequestWork::new(&self.backend, &self.settings, &head, visitor);
        if let Some(refusal) = work.refusal_of_strangers(&head) {
            return Box::pin(async move { Ok(work.finish(refusal)) });
        }
        #[cfg(feature = "testing")]
        if let Some(seed) = head.extensions.remove::<super::seed::Seed>() {
            return Box::pin(async move {
                seed.sow(&work.live).await;
                Ok(work.finish(Response::default()))
            });
        }
        work.hand_over_to(&mut head);
        if work.engine != EngineRequest::Handshake {
            let response = self.inner.call(Request::from_parts(head, body));
            return Box::pin(async move {
                let mut response = response.await?.map(Body::new);
                let intent = work.intents.close();
                if work.is_left_to_save(&intent) {
                    // Boxed: most requests leave nothing, and need no room for it.
                    response = Box::pin(work.save(response, intent)).await;
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
                Err(refusal) => return Ok(work.finish(refusal)),
            };
            // Where the sockets of the connection find it.
            head.extensions.insert(binding.clone());
            // The response must be readable: it holds the connection's `sid`.
            head.headers.remove(header::ACCEPT_ENCODING);
            work.binding = Some(binding);
            let response = inner.call(Request::from_parts(head, body)).await?;
            let intent = work.intents.close();
            let response = work.save(response.map(Body::new), intent).await;
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
    visitor: Visitor,
    /// The path, where somebody may have followed a link of another site's to it.
    link_to: Option<Box<str>>,
    /// Of the connection that the request opens.
    binding: Option<Binding>,
}

impl RequestWork {
    fn new(
        backend: &Arc<dyn Backend>,
        settings: &Arc<LayerSettings>,
        head: &Parts,
        visitor: Visitor,
    ) -> Self {
        let shown = visitor.shown;
        let engine = classify(head, &settings.socket_paths);
        let live = Arc::new(LiveSession::new(Arc::clone(backend), Arc::clone(&settings.call), shown));
        let intents = Arc::new(Intents::new(true));
        let mut link_to = None;
        if visitor.ambiguous.is_none() && !visitor.by_token {
            // One that begins could take the place of one whose cookie was not sent; also where one was sent, which then is
            // another application's, or a neighbour's.
            let begins = begins(settings.cookie.same_site, head);
            live.let_begin(begins);
            link_to = (begins == Begins::WithNewIdOrNothing).then(|| head.uri.path().into());
        }
        let (plain, session) = PlainStore::new(
            Arc::clone(&live),
            Arc::clone(&intents),
            Arc::clone(settings),
            shown.map(SessionId::expose),
        );
        Self {
            live,
            intents,
            plain,
            session,
            settings: Arc::clone(settings),
            engine,
            visitor,
            link_to,
            binding: None,
        }
    }

    /// Puts the session into the request's extensions.
    fn hand_over_to(&self, head: &mut Parts) {
        hide_cookies(&mut head.headers);
        if let Some(token) = &self.settings.token {
            token.take_out(&mut head.headers);
        }
        head.extensions.insert(self.session.clone());
        head.extensions.insert(Arc::clone(&self.plain));
    }

    /// What a request gets that comes from a page of another origin, or is about a connection of another session.
    fn refusal_of_strangers(&self, head: &Parts) -> Option<Response<Body>> {
        let refuse = |text| Some(respond(StatusCode::FORBIDDEN, text));
        if self.engine == EngineRequest::No {
            return None;
        }
        if !self.settings.origins.allows(head) {
            tracing::warn!(origin = ?head.headers.get(header::ORIGIN), "a page of another origin was refused");
            return refuse(
                "this page's origin may not connect: see `SessionLayer::with_allowed_origins` and \
                 `with_origin_predicate`, and that the proxy passes `Host` and `X-Forwarded-Proto` on",
            );
        }
        if let EngineRequest::Of(sid) = &self.engine
            && let Some(bound) =
                self.live.registry().connections().session_of(sid, &self.settings.cookie.name)
            && self.visitor.shown != Some(bound)
        {
            tracing::warn!("a request with the `sid` of another session's connection was refused");
            return refuse(if self.settings.token.is_none() {
                "this connection belongs to a session whose cookie was not shown: send back the cookie that the \
                 handshake set (socket.io-client in Node: `withCredentials: true`), or connect again"
            } else {
                "this connection belongs to a session whose cookie or token was not shown: send back the cookie that \
                 the handshake set, or the token that it showed (`extraHeaders`), or connect again"
            });
        }
        None
    }

    /// The session of a connection: the one whose cookie is shown, or one that begins now.
    async fn session_of_connection(&self) -> Result<Binding, Response<Body>> {
        if self.live.registry().is_shutting_down() {
            return Err(respond(
                StatusCode::SERVICE_UNAVAILABLE,
                "this server is shutting down: connect again",
            ));
        }
        self.live.resolve().await.map_err(refuse)?;
        if !self.live.is_stored() {
            if self.visitor.shown.is_some_and(|id| self.live.registry().has_just_ended(id)) {
                let text = "this session has just ended or changed its id: connect again with the new cookie or token";
                return Err(respond(StatusCode::SERVICE_UNAVAILABLE, text));
            }
            if self.visitor.by_token {
                self.is_to_have_no_session().map_err(refuse)?;
            } else if self.settings.session_on_handshake && self.live.begins() == Begins::Freely {
                self.live.begin_provisional().await.map_err(refuse)?;
            }
        }
        Ok(Binding::new(self.live.for_connection()))
    }

    /// A handshake that shows the token's header and no session that lives: no token comes of it.
    fn is_to_have_no_session(&self) -> Result<(), Error> {
        if self.settings.session_on_handshake {
            let text = "a handshake is given no token, and the one that it shows is none of a session that lives: first \
                        send an HTTP request with the header `new` whose handler writes session state (a login), then \
                        connect with what the response's header says";
            return Err(Error::with_text(ErrorKind::NoSession, text));
        }
        self.live.no_more_cookies();
        Ok(())
    }

    /// Whether the request left something to save: what was asked for, or what a plain `Session` changed.
    fn is_left_to_save(&self, intent: &Intent) -> bool {
        self.settings.call.always_save
            || self.visitor.needs_newer_key
            || self.session.is_modified()
            || self.plain.was_used()
            || self.intents.have_after()
            || intent.anything()
    }

    async fn save(&self, response: Response<Body>, intent: Intent) -> Response<Body> {
        let refused = self.engine == EngineRequest::Handshake && !opened(response.status());
        let failed = refused || response.status().is_server_error();
        let outcome = if failed { Outcome::Failed } else { Outcome::Normal };
        if self.visitor.needs_newer_key
            && let Err(error) = self.live.set_cookie_again().await
        {
            // The next page will try it, too.
            error.log("a cookie under an older key");
        }
        let concluded = self.conclude(intent, outcome).await;
        if refused {
            self.undo_handshake().await;
        }
        match concluded {
            Ok(()) => self.bind(response).await,
            Err(error) => refuse(error),
        }
    }

    /// Sets the cookie, or tells the token.
    fn finish(self, mut response: Response<Body>) -> Response<Body> {
        self.live.no_more_cookies();
        if let Some(path) = self.link_to.as_deref().filter(|_| self.live.has_left_out()) {
            tracing::warn!(
                path,
                "nothing was saved of what a handler changed for a visitor who followed a link of another site's: under \
                 `SameSite::Strict` the session's cookie is not sent along. Let pages that are linked to only read"
            );
        }
        self.set_cookie(&mut response);
        if let Some(token) = &self.settings.token {
            token.vary(response.headers_mut());
        }
        after_response(self.live.take_sockets(), response)
    }

    /// Carries out what the request wants of the session, and saves what a plain `Session` changed.
    async fn conclude(&self, mut intent: Intent, outcome: Outcome) -> Result<(), Error> {
        intent.keep_changes |= intent.keep_plain;
        let good = decide(outcome, &intent) == Decision::Commit;
        let intent = intent.and(self.plain.intent(good).await?);
        match decide(outcome, &intent) {
            Decision::Discard => Ok(()),
            Decision::Commit => self.commit(intent).await,
            Decision::End => {
                self.live.end(None).and_then_begin(self.intents.take_after()).outcome().await?;
                if good && self.plain.begins_anew(&self.session) {
                    self.commit(Intent::default()).await?;
                } else if good && self.plain.adds_to_what_ended(&self.session).await {
                    return Err(Error::new(ErrorKind::SessionEnded));
                }
                Ok(())
            }
        }
    }

    async fn commit(&self, intent: Intent) -> Result<(), Error> {
        let mut work = self.plain.collect(&self.session).await?;
        work.intent = work.intent.and(intent);
        if self.settings.call.always_save {
            self.live.resolve().await?;
            work.even_if_unchanged = self.live.is_stored();
        }
        self.live.commit(work, None).and_then_begin(self.intents.take_after()).outcome().await
    }

    /// Binds the connection that a handshake opened to its session's cookie.
    async fn bind(&self, response: Response<Body>) -> Response<Body> {
        let Some(binding) = &self.binding else { return response };
        let began = self.live.is_stored() && !binding.live().is_stored();
        if began || self.live.has_changed_id() {
            // The request itself did it: the sockets are those of the id whose cookie the response sets.
            binding.live().follow(&self.live);
        }
        if response.status().is_success() { self.learn_sid(binding, response).await } else { response }
    }

    /// The `sid` stands in the body of a handshake by polling.
    async fn learn_sid(&self, binding: &Binding, response: Response<Body>) -> Response<Body> {
        let (parts, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refuse(Error::new(ErrorKind::Backend).because(error)),
        };
        match sid_of_open_packet(&body) {
            Some(sid) => binding.opened(sid, self.settings.cookie.name.clone()),
            // Without it anybody could go on with this connection.
            None if binding.live().is_stored() => {
                tracing::error!(
                    "a handshake is refused, because what a layer between the session's and Socket.IO's made of its \
                     response cannot be read: put that layer outside, after the session's"
                );
                return respond(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the server cannot read its own handshake: a layer changes the body of the response",
                );
            }
            None => {}
        }
        Response::from_parts(parts, Body::from(body))
    }

    /// A handshake that was refused leaves no session behind.
    async fn undo_handshake(&self) {
        if matches!(self.live.take_cookie(), CookieEffect::Set { .. }) {
            if let Err(error) = self.live.end(None).outcome().await {
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
        let others = response.headers().contains_key(header::SET_COOKIE);
        if effect == CookieEffect::Keep && !others {
            return;
        }
        if others {
            self.settings.warn_of_other_cookie(response.headers());
        }
        if self.visitor.shown.is_some_and(|id| overtaken(&id)) {
            // The browser has, or will have, the cookie of the new id: nothing may overwrite it.
            self.settings.cookie.take_out(response.headers_mut());
            return;
        }
        let token = self.settings.token.as_ref().filter(|_| self.visitor.by_token);
        let value = match effect {
            CookieEffect::Keep => None,
            CookieEffect::Set { id, .. } if ending(id).is_some() => None,
            CookieEffect::Set { id, .. } if token.is_some() => self.settings.cookie.seal(id),
            CookieEffect::Set { id, expiry, last } => self.settings.cookie.set(id, expiry, last),
            // Of what was not there the browser may hold the cookie of another session by now.
            CookieEffect::Remove { was_there } => {
                let remove = || if token.is_some() { Some(NEW) } else { self.settings.cookie.remove() };
                self.visitor.shown.filter(|_| was_there).and_then(|_| remove())
            }
        };
        if effect != CookieEffect::Keep
            && let Some(address) = &self.visitor.ambiguous
        {
            // Before the one that is set: none of those that were shown remains.
            for cookie in self.settings.cookie.remove_all(&address.host, &address.path) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
        }
        match (value, token) {
            (Some(value), Some(token)) => token.tell(value, response.headers_mut()),
            (Some(value), None) => drop(response.headers_mut().append(header::SET_COOKIE, value)),
            (None, _) => {}
        }
    }
}

impl Drop for RequestWork {
    fn drop(&mut self) {
        self.live.no_more_cookies();
        let intent = self.intents.close().and(self.plain.close());
        // What a commit did whose client left; or will have done, which its handle then sees to.
        after_response(self.live.take_sockets(), Response::default());
        if decide(Outcome::Cancelled, &intent) == Decision::End {
            end_in_background(Arc::clone(&self.live));
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
