//! The Socket.IO side: what sockets extract, and annotated handlers. Only here socketioxide is named.

pub(crate) mod connect;
mod extract;
pub(crate) mod handler;
mod peer;
mod refusals;

pub use self::connect::session_alive;
