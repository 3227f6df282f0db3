//! The Socket.IO side: what sockets extract, and annotated events. Only here socketioxide is named.

pub(crate) mod connect;
pub(crate) mod event;
mod extract;
mod peer;
mod refusals;

pub use self::connect::session_alive;
