//! `SessionLayer`: the builder.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use http::{HeaderValue, request};
use tower_cookies::cookie::SameSite;
use tower_layer::Layer;
use tower_sessions::Expiry;

use super::{
    cookie::{Protection, SigningKeys},
    service::SessionService,
    settings::LayerSettings,
    token::TokenHeader,
};
use crate::{
    backend::Backend,
    call::{sessions::Sessions, settings::Settings},
    session::state::LiveState,
};

/// The tower layer that gives requests and handshakes their session.
///
/// It goes outside of the routes and of the Socket.IO layer, so it is the last `.layer(..)` of the router. Builder
/// methods that [`SessionManagerLayer`](https://docs.rs/tower-sessions/0.14/tower_sessions/service/struct.SessionManagerLayer.html)
/// has too have its names. Durations may be those of `std` or of the `time` crate, not negative. Clones share the
/// backend.
///
/// ```
/// use axum::Router;
/// use socketioxide::SocketIo;
/// use socketioxide_session::{MemoryBackend, SessionLayer};
///
/// let (socket_layer, io) = SocketIo::new_layer();
/// let app: Router = Router::new()
///     .layer(socket_layer)
///     .layer(SessionLayer::new(MemoryBackend::default()).with_name("__Host-id"));
/// ```
#[derive(Clone)]
pub struct SessionLayer {
    backend: Arc<dyn Backend>,
    settings: Arc<LayerSettings>,
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("backend", &self.backend)
            .field("settings", &self.settings)
            .finish()
    }
}

impl SessionLayer {
    /// Sessions in this backend, with the defaults that each method names.
    pub fn new(backend: impl Backend) -> Self {
        Self { backend: Arc::new(backend), settings: Arc::default() }
    }

    /// The cookie's name. Default: `id`. Recommended behind TLS: a name that begins with `__Host-`, which browsers
    /// accept from this host alone.
    #[must_use]
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.cookie.name = name.into())
    }

    /// Whether the cookie is sent over TLS only. Default: yes. For plain `http://` in development: `false`.
    #[must_use]
    pub fn with_secure(self, secure: bool) -> Self {
        self.with(|settings| settings.cookie.secure = secure)
    }

    /// Whether scripts of the page cannot read the cookie. Default: yes.
    #[must_use]
    pub fn with_http_only(self, http_only: bool) -> Self {
        self.with(|settings| settings.cookie.http_only = http_only)
    }

    /// Which requests from other sites carry the cookie. Default: [`SameSite::Lax`].
    #[must_use]
    pub fn with_same_site(self, same_site: SameSite) -> Self {
        self.with(|settings| settings.cookie.same_site = same_site)
    }

    /// The path below which the cookie is sent. Default: `/`. It must cover the Socket.IO path.
    #[must_use]
    pub fn with_path(self, path: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.cookie.path = path.into())
    }

    /// The domain, with its subdomains, to which the cookie is sent. Default: this host only.
    #[must_use]
    pub fn with_domain(self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.cookie.domain = Some(domain.into()))
    }

    /// Whether the cookie is kept apart for each site in which this one is embedded
    /// ([CHIPS](https://developer.mozilla.org/docs/Web/Privacy/Guides/Privacy_sandbox/Partitioned_cookies)). Default: no.
    /// It needs [`with_secure`](Self::with_secure), and [`SameSite::None`] to be of use.
    #[must_use]
    pub fn with_partitioned(self, partitioned: bool) -> Self {
        self.with(|settings| settings.cookie.partitioned = partitioned)
    }

    /// When sessions expire. Default: with the browser's session; the record two weeks after its last write.
    ///
    /// For [`Expiry::OnInactivity`] a write, a request and an event that name session state are activity. The
    /// cookie itself then outlives the inactivity, for an event cannot renew it.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        self.with_call(|settings| settings.lifetimes.expiry = Some(expiry))
    }

    /// How long a session lives at most, however active it is. Default: no limit. A session that tower-sessions' own
    /// layer wrote counts from this crate's first load of it.
    #[must_use]
    pub fn with_absolute_timeout(self, timeout: impl TryInto<Duration>) -> Self {
        let timeout = not_negative(timeout);
        self.with_call(|settings| settings.lifetimes.absolute_timeout = Some(timeout))
    }

    /// How often activity is written at most, for [`Expiry::OnInactivity`]. Default: every 60 seconds; at most
    /// half the inactivity.
    #[must_use]
    pub fn with_touch_interval(self, interval: impl TryInto<Duration>) -> Self {
        let interval = not_negative(interval);
        self.with_call(|settings| settings.lifetimes.touch_interval = interval)
    }

    /// Whether a session is saved, and its cookie set, at the end of each request that has one. Default: only
    /// when it began, changed its id, or was given an expiry. It begins no session.
    #[must_use]
    pub fn with_always_save(self, always_save: bool) -> Self {
        self.with_call(|settings| settings.always_save = always_save)
    }

    /// Signs the cookie: with the first key, while all are accepted. Default: plain.
    #[must_use]
    pub fn with_signed(self, keys: impl Into<SigningKeys>) -> Self {
        self.with(|settings| settings.cookie.protection = Protection::Signed(keys.into()))
    }

    /// Encrypts the cookie: with the first key, while all are accepted. Default: plain.
    #[must_use]
    pub fn with_private(self, keys: impl Into<SigningKeys>) -> Self {
        self.with(|settings| settings.cookie.protection = Protection::Private(keys.into()))
    }

    /// The longest wait for a turn; past it the caller is told
    /// [`TurnTimeout`](crate::ErrorKind::TurnTimeout). Default: 30 seconds.
    #[must_use]
    pub fn with_turn_timeout(self, timeout: impl TryInto<Duration>) -> Self {
        let timeout = not_negative(timeout);
        self.with_call(|settings| settings.limits.wait = timeout)
    }

    /// The longest time that a handler may hold a turn; past it the turn passes on, and the handler's commit is
    /// refused as [`TurnLost`](crate::ErrorKind::TurnLost). Default: 30 seconds.
    #[must_use]
    pub fn with_turn_limit(self, limit: impl TryInto<Duration>) -> Self {
        let limit = not_negative(limit);
        self.with_call(|settings| settings.limits.hold = limit)
    }

    /// The longest time that a call of the backend may take, waits for locks of its own included. Default: 10 seconds.
    ///
    /// - Past it, what was to be read, and a write that was not begun, has failed:
    ///   [`Backend`](crate::ErrorKind::Backend), with nothing saved. Where a turn of another process is waited for,
    ///   [`with_turn_timeout`](Self::with_turn_timeout) counts, too.
    /// - A write that was begun is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), for it may still arrive. Until it
    ///   has come back, for a minute at most, further writes to that session are refused
    ///   ([`Backend`](crate::ErrorKind::Backend)), so that it overwrites nothing that is newer. Reading and
    ///   [`flush`](crate::SessionControl::flush) go on.
    ///
    /// `RedisBackend` has a limit of its own, `with_timeout`, 5 seconds by default. It should come first, for until then a
    /// commit whose answer was lost is sent again.
    #[must_use]
    pub fn with_backend_timeout(self, timeout: impl TryInto<Duration>) -> Self {
        let timeout = not_negative(timeout);
        self.with_call(|settings| settings.backend_timeout = timeout)
    }

    /// Ends in an orderly way what this process does for its sessions, within this time; for all layers with this backend.
    ///
    /// - The Socket.IO servers that have sockets of these sessions close all their connections, so that no long poll holds
    ///   up axum's graceful shutdown. The official client comes back by itself: to another node, or when the server has
    ///   started again. A handshake is a 503 from now on.
    /// - New calls are refused: [`Backend`](crate::ErrorKind::Backend), a 503. Those that have turns, or wait for them, go
    ///   on and commit; what an event would have acknowledged, its client does not hear. [`Shared`](crate::Shared) works on.
    /// - On `RedisBackend` their leases go back, so that nobody on another node waits for one of a process that is gone.
    ///
    /// Returns when all of that is done: `true`; or `false` when the time was over before. What runs on then ends with the
    /// process, and nothing of it is half written.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use socketioxide_session::{MemoryBackend, SessionLayer};
    ///
    /// # async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// let sessions = SessionLayer::new(MemoryBackend::default());
    /// let app = Router::new().layer(sessions.clone());
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         tokio::signal::ctrl_c().await.ok(); // or SIGTERM: `tokio::signal::unix`
    ///         sessions.shutdown(Duration::from_secs(10)).await;
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, new calls are refused all the same.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.backend.registry().shut_down(within).await
    }

    /// The sessions of the backend, for code outside of handlers: a job, a webhook, an administrator's task. Under other settings
    /// of the layer, set later, it stays as it is.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(&self.backend), Arc::clone(&self.settings.call))
    }

    /// How many calls may wait for one state of one session; more are told
    /// [`TooManyWaiters`](crate::ErrorKind::TooManyWaiters). Default: 4096.
    #[must_use]
    pub fn with_max_waiters(self, waiters: usize) -> Self {
        self.with_call(|settings| settings.limits.waiters = waiters)
    }

    /// Sends this state to the session's sockets, as the event that `#[session_state(emit = "..")]` names: after each commit that
    /// has changed one of its fields, whoever committed (a handler, an event, [`Shared`](crate::Shared), a plain `Session`), and
    /// once when a connect handler has first waited. Its `#[session(server_only)]` fields are not sent. Default: none.
    ///
    /// Sent are all sockets that are bound to the session, in every namespace and on every node; and what is sent is what there
    /// is at that moment. So the order is that of the commits, and a client that reads slowly gets fewer, and the last one. A
    /// commit that ends the session, or gives it another id, sends nothing to the sockets of the old id.
    ///
    /// ```
    /// use socketioxide_session::{MemoryBackend, SessionLayer, session_state};
    ///
    /// #[session_state(emit = "user")]
    /// struct User {
    ///     name: Option<String>,
    ///     #[session(server_only)]
    ///     failed_logins: u32,
    /// }
    ///
    /// // In the page: socket.on("user", (user) => ..), with `user.name`.
    /// let layer = SessionLayer::new(MemoryBackend::default()).with_live::<User>();
    /// ```
    #[must_use]
    pub fn with_live<T: LiveState>(self) -> Self {
        self.with_call(|settings| settings.live.add::<T>())
    }

    /// The path of Socket.IO, as given to `SocketIoBuilder::req_path`. Default: `/socket.io`.
    #[must_use]
    pub fn with_socket_path(self, path: impl Into<Cow<'static, str>>) -> Self {
        self.with_socket_paths([path])
    }

    /// The paths of several Socket.IO layers inside of this one. Default: `/socket.io` alone.
    #[must_use]
    pub fn with_socket_paths<P: Into<Cow<'static, str>>>(self, paths: impl IntoIterator<Item = P>) -> Self {
        self.with(|settings| settings.socket_paths = paths.into_iter().map(Into::into).collect())
    }

    /// The origins whose pages may connect to Socket.IO, in place of the server's own, which is to be listed as well if its
    /// pages connect: `https://app.example.com`, with a port if
    /// it is not the scheme's, or `capacitor://localhost`. Default: pages of the same origin (scheme, host, port) as the
    /// request itself.
    ///
    /// The request's own origin is what its `Host` says, so a proxy must pass that on; the scheme counts where the
    /// proxy says it in `X-Forwarded-Proto`, or else where the request does. `ws` counts as `http`, `wss` as `https`. A
    /// scheme without a port of its own (`capacitor:`, `tauri:`, `chrome-extension:`) is compared letter by letter. A
    /// client that sends neither `Origin` nor `Sec-Fetch-Site` is no browser, and may connect.
    ///
    /// A front end of another origin needs CORS as well: [the guide](crate::guide::behind_a_proxy) has both settings, and
    /// those of proxies.
    ///
    /// # Panics
    ///
    /// If one of them is no origin.
    #[must_use]
    pub fn with_allowed_origins<S: AsRef<str>>(self, origins: impl IntoIterator<Item = S>) -> Self {
        self.with(|settings| settings.origins.list(origins))
    }

    /// Pages of other origins that may connect, too: those that this says yes to. It is asked about each origin that does
    /// not pass without it: neither the request's own (where there is no list) nor
    /// [listed](Self::with_allowed_origins). Default: none.
    ///
    /// A page whose origin it lets in acts with the visitor's session. Compare the end of a host with its dot, and the
    /// scheme with it:
    ///
    /// ```
    /// use socketioxide_session::{MemoryBackend, SessionLayer};
    ///
    /// let layer = SessionLayer::new(MemoryBackend::default()).with_origin_predicate(|origin, _request| {
    ///     let origin = origin.as_bytes();
    ///     origin.starts_with(b"https://") && origin.ends_with(b".example.com") // a tenant's pages
    /// });
    /// ```
    #[must_use]
    pub fn with_origin_predicate(
        self,
        predicate: impl Fn(&HeaderValue, &request::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.origins.ask(predicate))
    }

    /// Whether a client that shows no session is given one in the handshake's response. Default: yes.
    ///
    /// Such a session lives for ten minutes until something is written to it. Turned off, a socket without a
    /// session reads defaults, and writing is [`NoSession`](crate::ErrorKind::NoSession).
    #[must_use]
    pub fn with_session_on_handshake(self, begin: bool) -> Self {
        self.with(|settings| settings.session_on_handshake = begin)
    }

    /// The header that stands for the cookie where a client keeps none: in a native application, say. Default: none.
    ///
    /// A client without a token shows `new`. It is told its token by the header of the same name, in the response that
    /// would set the cookie: the first one whose handler writes something. It shows that from then on, in each request and
    /// on each handshake. Whenever a response has the header, its value takes the place of what the client has: after a
    /// login that is another token, and the old one is dead; after a logout it is `new`. A response without it changes
    /// nothing.
    ///
    /// ```
    /// use socketioxide_session::{MemoryBackend, SessionLayer};
    ///
    /// let layer = SessionLayer::new(MemoryBackend::default()).with_token_header("x-session");
    /// ```
    ///
    /// A client, here in Node.js:
    ///
    /// ```js
    /// let token = "new"; // or the one that was kept
    ///
    /// async function ask(path, options = {}) {
    ///   const headers = { ...options.headers, "x-session": token };
    ///   const response = await fetch(url + path, { ...options, headers });
    ///   token = response.headers.get("x-session") ?? token;
    ///   return response;
    /// }
    ///
    /// await ask("/login", { method: "POST", body: form });
    /// const socket = io(url, { extraHeaders: { "x-session": token } });
    /// ```
    ///
    /// - A token is sealed as the cookie is, and tells the same session. Handlers do not see the request's header, and
    ///   sockets do not keep it.
    /// - A request that shows a cookie of ours is judged by that alone. A response with a token has no `Set-Cookie`, also
    ///   none of other layers inside, and no cache keeps it (`Cache-Control: no-store`). All responses
    ///   `Vary` by the header.
    /// - No token comes of a handshake. One that shows `new`, or a session that is no more, is a 403 that says so (without
    ///   [`with_session_on_handshake`](Self::with_session_on_handshake) a socket without a session).
    /// - All requests of a connection show the token of its handshake. `python-socketio` shows its `headers` on the
    ///   handshake alone: its `http_session` must have the header, too.
    ///
    /// # Pages
    ///
    /// A page's scripts can read a token, as they cannot read the cookie. So a request with an `Origin` or a `Sec-Fetch-*`
    /// header is served as if it had no token where it comes from a page of the server's own, which has its cookie, or of
    /// an origin that may not connect ([`with_allowed_origins`](Self::with_allowed_origins),
    /// [`with_origin_predicate`](Self::with_origin_predicate)). An application in a web view has an origin
    /// (`capacitor://localhost`) to be let in by these, CORS must allow and expose the header, and sockets poll
    /// (`transports: ["polling"]`): scripts cannot show a header with a WebSocket. Without TLS browsers do not say on a
    /// `GET` where it comes from.
    #[must_use]
    pub fn with_token_header(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.token = Some(TokenHeader::new(name.into())))
    }

    fn with(mut self, change: impl FnOnce(&mut LayerSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    fn with_call(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.with(|settings| change(Arc::make_mut(&mut settings.call)))
    }
}

/// A `std` duration as it is, or one of the `time` crate, in which [`Expiry`] counts.
fn not_negative(duration: impl TryInto<Duration>) -> Duration {
    duration.try_into().unwrap_or_else(|_| panic!("a time to wait or live cannot be negative"))
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    /// # Panics
    ///
    /// If no browser would accept the cookie as it is set up: the message says which of its settings contradict. If the
    /// [token's header](Self::with_token_header) has a name that means something else.
    fn layer(&self, inner: S) -> Self::Service {
        self.settings.cookie.check();
        if let Some(token) = &self.settings.token {
            token.check();
        }
        SessionService::new(inner, Arc::clone(&self.backend), Arc::clone(&self.settings))
    }
}
