//! One typed session, shared by axum handlers, socketioxide event handlers and every middleware that speaks
//! [`tower_sessions::Session`]. A handler says in its signature what it does to the session.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use socketioxide::SocketIo;
//! use socketioxide_session::{EventRouter, MemoryBackend, SessionLayer};
//! use socketioxide_session::{http_handler, session_state, socket_handler};
//!
//! #[session_state]
//! struct Counter {
//!     count: u64,
//! }
//!
//! #[http_handler(counter)]
//! async fn visit(counter: &mut Counter) -> String {
//!     counter.count += 1;
//!     format!("The count is {}.\n", counter.count)
//! }
//!
//! #[socket_handler(counter)]
//! async fn count(counter: &Counter) -> u64 {
//!     counter.count // the client's acknowledgement
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let (sockets, io) = SocketIo::new_layer();
//!     io.ns("/", EventRouter::new().on("count", count));
//!
//!     // The session's layer is the last one: outside of the routes and of the Socket.IO layer.
//!     let sessions = SessionLayer::new(MemoryBackend::default()).with_secure(false); // local http
//!     let app = Router::new().route("/", get(visit)).layer(sockets).layer(sessions);
//!
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await
//! }
//! ```
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! socketioxide = "0.18"
//! socketioxide-session = "0.1"
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! ```
//!
//! Pages that go further are in the [`guide`]: [what you can rely on](guide::guarantees), [changing a state](guide::changing_a_state), [several machines](guide::several_machines),
//! [log out everywhere](guide::log_out_everywhere), [behind a proxy](guide::behind_a_proxy), [stores](guide::stores),
//! [OWASP's rules for sessions](guide::owasp), [speed and scale](guide::speed).
//!
//! Each visit of the page counts up. A socket of the same browser that emits `count` is told what the pages
//! counted: it has the same session, because it has the same cookie.
//!
//! # States and sessions
//!
//! A *session* is what one cookie stands for: an id, an expiry, and values under keys. A *state* is one
//! [`#[session_state]`](macro@session_state) struct; its value lives in the session as a JSON object under
//! the state's key. A session can hold many states, and each handler names those that it uses.
//!
//! The attribute derives what a state needs, and every field has a default: its type's, or the one that
//! `#[session(default = ..)]` gives. So a field that is added later is no migration.
//!
//! ```
//! # use socketioxide_session::session_state;
//! #[session_state(key = "settings")]
//! struct Settings {
//!     #[session(default = String::from("en"))]
//!     language: String,
//!     dark: bool,
//! }
//! ```
//!
//! # What a parameter means
//!
//! | parameter | |
//! | --- | --- |
//! | `&T` | reads: a snapshot, or `T::default()` where nothing is stored; creates nothing |
//! | `&mut T` | writes: holds the state's turn, and what was changed is committed |
//! | `Option<&T>` | reads: `None` where nothing is stored |
//! | [`Shared<T>`](Shared) | takes nothing, and opens short turns on demand; needs no attribute |
//! | [`SessionControl`] | asks something of the session itself: a new id, its end, another expiry |
//!
//! The attribute lists the parameters of the first three kinds by name, eight at most:
//! [`#[http_handler(user, cart)]`](macro@http_handler), [`#[socket_handler(..)]`](macro@socket_handler) for
//! messages and disconnects, [`#[connect_handler(..)]`](macro@connect_handler), and
//! [`#[connect_middleware(..)]`](macro@connect_middleware). All other parameters are extractors, as ever.
//!
//! # Turns
//!
//! A *turn* is the right to be the one writer of one state of one session.
//!
//! - Turns are per state: a slow writer of `Cart` holds up no one who touches only `User`, and no one of
//!   another session.
//! - First come, first served. An event comes when its packet is read, a request when its other extractors
//!   have run: a slow upload holds nothing. So events that a client sends at once take effect in their order.
//! - A handler takes its places in all the queues at one moment. Handlers with several states cannot
//!   deadlock, whatever the order of their parameters.
//! - A reader waits for the writers before it. Then it has a snapshot and holds up no one.
//! - Waiting is limited in time ([`with_turn_timeout`](SessionLayer::with_turn_timeout), 30 s) and in number
//!   ([`with_max_waiters`](SessionLayer::with_max_waiters), 4096), holding in time
//!   ([`with_turn_limit`](SessionLayer::with_turn_limit), 30 s). Past the limit the turn passes on, and the
//!   late commit is refused with [`ErrorKind::TurnLost`].
//!
//! # What becomes of the changes
//!
//! All or nothing, by the handler's outcome:
//!
//! | outcome | changes | after [`keep_changes()`] | after [`flush()`] |
//! | --- | --- | --- | --- |
//! | a value, `Ok`, a response below 500 | committed | committed | the session ends |
//! | `Err`, or a response of 500 and above | discarded | committed | the session ends |
//! | a panic | discarded | discarded | the session ends |
//! | cancelled: the client went away | discarded | discarded | the session ends |
//!
//! [`keep_changes()`]: SessionControl::keep_changes
//! [`flush()`]: SessionControl::flush
//!
//! Whether a handler returned `Err` is decided by its type, so an alias of `Result` is one too, whatever its
//! status. Behind `impl IntoResponse` only the status counts, and so it does for a plain [`Session`] and for
//! [`SessionControl`] in a handler without an attribute. A 4xx response that is not an `Err` commits.
//! [`Shared::update`] commits by itself, whatever becomes of the handler.
//!
//! Cancelled are HTTP handlers only. A socket handler whose client leaves runs to its end and commits, for
//! socketioxide cancels nothing.
//!
//! The response or the acknowledgement leaves after the commit: a client is told only what is saved. A commit
//! that fails is an error response or an error acknowledgement, and a commit that has begun runs to its end
//! even if the client goes.
//!
//! # What is written
//!
//! - The fields that differ, as JSON, from what was loaded in this call. A field is replaced whole. Where
//!   none differs, nothing is written.
//! - Nothing else: keys of others, and fields that this build does not know (a newer one wrote them),
//!   survive.
//! - Never a session that has ended: a late commit is refused with [`ErrorKind::SessionEnded`].
//! - Never over a value that does not decode: [`ErrorKind::Undecodable`] names the state and the field. With
//!   `#[session_state(on_undecodable = "default")]` such a field [begins anew](guide::changing_a_state).
//! - Never what could not be read back: [`ErrorKind::Encode`] names the state and the field.
//!
//! Fields of std's values and containers, and of [`#[session_value]`](macro@session_value) types, are copied and compared as
//! they are. Any other field is kept as its encoding on every backend, so that memory tells what a store would.
//!
//! # What a client is told
//!
//! On sockets `v` and `Ok(v)` acknowledge `v`; `()` and `Ok(())` acknowledge `null`; `Err(e)` acknowledges
//! `{"error": e}` with any `e: Serialize`; an [`Error`] of this crate
//! `{"error": "<text>", "code": "<code>"}`. A tuple is several arguments of the acknowledgement, as in
//! socketioxide. A handler that takes `AckSender` answers by itself, and returns `()` or `Result<(), E>`. An event that fails and asked for no acknowledgement is answered by a
//! `session_error` event with the same payload. A refused connection is a `connect_error` with the error's
//! text.
//!
//! In HTTP an [`Error`] is a response: its kind's [status](ErrorKind::status), its text, and `Retry-After`
//! with a 503. [`ErrorKind`] lists all kinds with their statuses and codes. The text is plain; pages of your
//! own take its place outside of the layer, by the status:
//!
//! ```
//! use axum::{Router, body::Body, http::StatusCode, middleware::map_response, response::Response};
//! # use axum::http::{HeaderValue, header::CONTENT_TYPE};
//! # use socketioxide_session::{MemoryBackend, SessionLayer};
//!
//! async fn pages(mut response: Response) -> Response {
//!     if response.status() == StatusCode::SERVICE_UNAVAILABLE {
//!         *response.body_mut() = Body::from("<h1>Busy</h1><p>Please try again.</p>");
//!         response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
//!     }
//!     response // with its cookies and `Retry-After`
//! }
//!
//! # let routes: Router = Router::new();
//! # let sessions = SessionLayer::new(MemoryBackend::default());
//! let app = routes.layer(sessions).layer(map_response(pages));
//! ```
//!
//! That replaces every 503, the application's own as well. Where the kind of error matters, a handler without
//! an attribute takes [`Shared`], whose methods return the [`Error`].
//!
//! # Long waits
//!
//! A handler with `&mut T` holds its turn until it returns. What waits long (for a slow service, for the
//! client's answer, for a timer) takes [`Shared<T>`](Shared) instead, and holds the turn only while
//! [`update`](Shared::update) runs its closure. It can also be kept: in closures, in background tasks.
//!
//! **What a handler waits for must not need a turn that the handler holds.** `Shared` itself says so at once,
//! with [`ErrorKind::NestedTurn`], in a handler that holds a turn of the session, also of another state, and so
//! does a handler behind an annotated middleware that holds its state. Neither can see through another task: a handler with `&mut User` that awaits a spawned task, a request to its own
//! server or an event of the same client, each of which writes `User`, waits until the turn's timeout or limit
//! ends it.
//!
//! # Login and logout
//!
//! [`SessionControl::cycle_id`] gives the session a new id, for the moment when a visitor's rights change. It
//! takes effect with the commit: the new record exists before the old one goes, and the response sets the new
//! cookie. The old id is dead from then on. Sockets that came with it leave every room at once, are
//! disconnected when the response is out, and are judged anew by the cookie that they then show. For 30
//! seconds a request that shows the old id reads defaults, cannot write ([`ErrorKind::IdChanged`]) and is
//! given no cookie, and a handshake with it is a 503, which the client tries again: nothing overwrites the
//! new cookie.
//!
//! [`SessionControl::flush`] ends the session: the record goes, the response removes the cookie, and the
//! sockets are disconnected in every namespace. In a socket handler the acknowledgement comes first. A
//! handler that still runs cannot bring the session back.
//!
//! All sessions of a user are found, and ended on every device, once the login says whose it is:
//! [`SessionControl::set_owner`], [`Sessions`], and [a page of the guide](guide::log_out_everywhere).
//!
//! The official client does not come back by itself from a disconnect by the server, and must not reuse the
//! connection with the old cookie. So a page has these lines:
//!
//! ```js
//! socket.on("disconnect", (why) => {
//!   if (why === "io server disconnect") {
//!     socket.io.engine.close();
//!     socket.connect();
//!   }
//! });
//! ```
//!
//! Sockets follow their session's end in namespaces whose connect handler or middleware has an attribute or
//! that have [`session_alive`], and once an event for an annotated handler has come from them. One such socket is
//! enough: all namespaces of its connection end. The connection itself stays until the client closes it, and a plain
//! namespace can be joined again over it. Put [`session_alive`] around connect handlers that
//! have no attribute (`io.ns("/news", session_alive(connected))`), so that their sockets, too, are refused without a session and disconnected with it.
//!
//! A live session is not a login: by default every handshake has one. To let in only who is logged in, write a
//! [`#[connect_middleware]`](macro@connect_middleware) that looks at your state. The `Err` of a connect *handler*
//! refuses nothing: the client is connected by then, hears of it as `session_error`, and is disconnected if the handler had
//! not waited yet.
//!
//! # When a client connects
//!
//! Whatever a connect handler waits for (loading, a turn) is awaited before the client hears CONNECT; then it
//! starts without a wait. A client may send at once, and CONNECT goes out a moment before the handler starts. So handlers of
//! events are given with it: `io.ns("/", connected.on("count", count))`. They are in place before CONNECT, and what comes
//! before the connect handler first waits is kept, and goes in order: see [`EventRouter`].
//!
//! # Cookies and expiry
//!
//! The cookie is `id`, `HttpOnly`, `Secure`, `SameSite=Lax`, on `/`, unless the [`SessionLayer`] is told
//! otherwise. An id that is not known is never adopted, and two cookies of the name count as none. A client
//! whose first contact is a socket gets its session with the handshake's response. Until something is
//! written, such a session lives for ten minutes, and as long as it has sockets (if inactivity does not end it)
//! ([`with_session_on_handshake`](SessionLayer::with_session_on_handshake)).
//!
//! Pages of other origins cannot connect, unless [`with_allowed_origins`](SessionLayer::with_allowed_origins)
//! lists them, and each later request of a connection must show the cookie of its handshake. So a client that
//! keeps no cookies cannot poll: in Node.js it is given `withCredentials: true`, or `transports: ["websocket"]`; or
//! a header stands for the cookie ([`with_token_header`](SessionLayer::with_token_header)).
//!
//! Without an [`Expiry`] the cookie ends with the browser's session, and the record two weeks after its last
//! write. With [`Expiry::OnInactivity`], requests and events that name session state are activity, written at
//! most once per [`with_touch_interval`](SessionLayer::with_touch_interval); heartbeats and what the server
//! sends are not. The cookie then outlives the inactivity, for an event cannot renew it.
//! [`with_absolute_timeout`](SessionLayer::with_absolute_timeout) bounds a session's whole life. A session
//! that expires ends like one that is flushed: its sockets are disconnected.
//!
//! # Beside other middleware
//!
//! Everything inside of the layer that takes a [`Session`] of tower-sessions 0.14 works on the same session:
//! it reads once per request, and at the request's end it writes the keys that it changed. A copy that is
//! kept past its request is refused. axum-login is wired with its service, in one line:
//!
//! ```text
//! let auth = tower::layer::layer_fn(move |inner| AuthManager::new(inner, backend.clone(), "axum-login.data"));
//! let app = router.layer(auth).layer(sockets).layer(SessionLayer::new(MemoryBackend::default()));
//! ```
//!
//! # Backends
//!
//! | backend | sessions live | holds the above |
//! | --- | --- | --- |
//! | [`MemoryBackend`] | in this process's memory | in this process, until it ends |
//! | [`StoreBackend`] | in any [`SessionStore`] of tower-sessions 0.14 | in one process |
//! | `RedisBackend` (features `redis`, `redis-tls`, `redis-cluster`) | in Redis or Valkey | on all nodes, while one primary keeps what it acknowledged |
//! | your own [`Backend`] | where you keep them | see [`backend`] |
//!
//! [A page of the guide](guide::stores) has what stores need: old records, failures, memory that is bounded.
//!
//! A store knows only whole records, so [`StoreBackend`] loads, changes and saves them under a lock of its
//! process. If several processes use one store, each sees at its next access what the others saved. But
//! turns, the disconnecting of sockets and the memory of ids that ended or changed stay within each process.
//! So commits of two processes at the same time can lose one another's changes, a late commit of one can
//! bring back what another ended, a request elsewhere that shows a changed id can begin a session of its own,
//! and sockets elsewhere stay connected until their next event, which is an error. Keep the clients of one
//! session on one process, or use `RedisBackend`: see [several machines](guide::several_machines).

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// So that expansions find the crate by its name in its own examples, too.
#[allow(unused_extern_crates, reason = "the doc tests' expansions need it")]
extern crate self as socketioxide_session;

pub mod backend;
mod background;
mod call;
mod clock;
mod error;
pub mod guide;
mod http;
mod log_limit;
mod macro_support;
mod panics;
mod process;
mod session;
mod socket;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod turns;

/// What the macros' expansions name. Not for users: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::macro_support::*;
}

pub use socketioxide_session_macros::{
    connect_handler, connect_middleware, http_handler, session_state, session_value, socket_handler,
};
/// [`Expiry`] counts in its [`Duration`](time::Duration) and moments.
pub use time;
pub use tower_cookies::{Key, cookie::SameSite};
pub use tower_sessions::{Expiry, Session, SessionStore};

#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::backend::RedisBackend;
pub use crate::{
    backend::{Backend, Ending, MemoryBackend, StoreBackend},
    call::{
        control::SessionControl,
        sessions::{Page, SessionInfo, Sessions},
        shared::Shared,
    },
    error::{Error, ErrorKind},
    http::{SessionLayer, SessionService, SigningKeys},
    session::{
        key::SessionKey,
        state::{LiveState, SessionState},
    },
    socket::{EventRouter, SessionAlive, session_alive},
};
