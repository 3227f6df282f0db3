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
//! Each visit of the page counts up. A socket of the same browser that emits `count` is told what the pages
//! counted: it has the same session, because it has the same cookie.
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
//! | [`Sessions`] | lists and ends all sessions of a user |
//!
//! The attribute lists the parameters of the first three kinds by name, eight at most:
//! [`#[http_handler(user, cart)]`](macro@http_handler), [`#[socket_handler(..)]`](macro@socket_handler) for
//! messages and disconnects, [`#[connect_handler(..)]`](macro@connect_handler), and
//! [`#[connect_middleware(..)]`](macro@connect_middleware). All other parameters are extractors, as ever.
//!
//! Writers of one state of one session take turns, in the order in which they came. What a handler changed is committed
//! before its answer leaves; where it fails, nothing is. [The contract](guide::guarantees) says all that holds.
//!
//! # The guide
//!
//! | | |
//! | --- | --- |
//! | Begin | [a first application](guide::first_application), coming from [express-socket.io-session](guide::coming_from_express) or [tower-sessions](guide::coming_from_tower_sessions), [if the compiler says ..](guide::if_the_compiler_says) |
//! | Build | [handlers and their parameters](guide::handlers), [logging in and out](guide::logging_in), [log out everywhere](guide::log_out_everywhere), [errors](guide::errors), [long waits](guide::long_waits), [pushing to tabs](guide::pushing_to_tabs), [middleware](guide::middleware), [testing](guide::testing_an_application) |
//! | Run | [settings](guide::settings), [logs and metrics](guide::observability), [behind a proxy](guide::behind_a_proxy), [several machines](guide::several_machines), [stores](guide::stores), [changing a state](guide::changing_a_state), [OWASP's rules for sessions](guide::owasp), [speed and scale](guide::speed) |
//!
//! # Backends
//!
//! | backend | sessions live | holds the contract |
//! | --- | --- | --- |
//! | [`MemoryBackend`] | in this process's memory | in this process, until it ends |
//! | [`StoreBackend`] | in any [`SessionStore`] of tower-sessions 0.14 | in one process |
//! | `PostgresBackend` (feature `postgres`) | in PostgreSQL, through your pool | on all nodes, while one primary keeps what it acknowledged |
//! | `RedisBackend` (features `redis`, `redis-tls`, `redis-cluster`) | in Redis or Valkey | on all nodes, while one primary keeps what it acknowledged |
//! | your own [`Backend`] | where you keep them | see [`backend`] |
//!
//! Feature `testing` drives an application in process, for its own tests: `testing`.

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
mod figures;
pub mod guide;
mod http;
mod log_limit;
mod macro_support;
mod panics;
mod process;
mod session;
mod socket;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod turns;

/// What the macros' expansions name. Not for users: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::macro_support::*;
}

/// [`RedisBackend::from_client`] takes its `Client`.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis;
/// For `rediss://` the application chooses its cryptography: `rustls::crypto::ring::default_provider().install_default()`.
#[cfg(feature = "redis-tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis-tls")))]
pub use rustls;
pub use socketioxide_session_macros::{
    connect_handler, connect_middleware, http_handler, session_state, session_value, socket_handler,
};
/// [`PostgresBackend::new`] takes its `PgPool`.
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use sqlx;
/// [`Expiry`] counts in its [`Duration`](time::Duration) and moments.
pub use time;
pub use tower_cookies::{Key, cookie::SameSite};
pub use tower_sessions::{Expiry, Session, SessionStore};

#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use crate::backend::PostgresBackend;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::backend::RedisBackend;
pub use crate::{
    backend::{Backend, Ending, MemoryBackend, StoreBackend},
    call::{
        control::SessionControl,
        sessions::{Page, SessionInfo, Sessions},
        shared::{ReadOnly, Shared},
    },
    error::{Error, ErrorKind},
    http::{SessionLayer, SessionService, SigningKeys},
    session::{
        key::SessionKey,
        state::{LiveState, SessionState},
    },
    socket::{EventRouter, SessionAlive, session_alive},
};
