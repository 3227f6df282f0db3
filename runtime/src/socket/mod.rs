//! The Socket.IO side: events, connect handlers and middlewares, what sockets extract, their answers, and the binding of a
//! socket to its session. Only here socketioxide is named; the HTTP side is not known here, nor it this side.

mod alive;
pub(crate) mod arguments;
mod backlog;
mod binding;
pub(crate) mod connect;
mod encoding;
mod ends;
mod error;
pub(crate) mod event;
mod extract;
mod gates;
mod live;
pub(crate) mod middleware;
mod reply;
mod routed;
pub(crate) mod router;

pub use self::{
    alive::{SessionAlive, session_alive},
    router::EventRouter,
};
