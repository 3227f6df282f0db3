//! One typed session, shared by axum handlers, socketioxide event handlers and every other middleware that speaks
//! `tower_sessions::Session`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// So that expansions find the crate by its name in its own examples, too.
#[allow(unused_extern_crates, reason = "the doc tests' expansions need it")]
extern crate self as socketioxide_session;

mod access;
pub mod backend;
mod binding;
mod change;
mod clock;
mod config;
mod control;
mod cookie;
mod error;
mod handle;
mod http;
mod id;
mod lease;
mod origin;
mod outcome;
mod private;
mod registry;
mod shared;
mod socket;
mod state;
mod turns;
mod unit;
mod value;
mod view;
mod watch;

/// What the macros' expansions name. Not for users: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}

pub use socketioxide_session_macros::{
    connect_handler, connect_middleware, http_handler, session_state, socket_handler,
};
pub use tower_cookies::{Key, cookie::SameSite};
pub use tower_sessions::{Expiry, Session, SessionStore};

#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::backend::RedisBackend;
pub use crate::{
    backend::{Backend, MemoryBackend, StoreBackend},
    control::SessionControl,
    cookie::SigningKeys,
    error::{Error, ErrorKind},
    http::{SessionLayer, SessionService},
    shared::Shared,
    socket::session_alive,
    state::SessionState,
};
