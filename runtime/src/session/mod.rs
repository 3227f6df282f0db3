//! What a session is: its id, what belongs to it, and the values under its keys. Pure: nothing here waits, and nothing
//! knows of turns, backends, requests or sockets.

pub(crate) mod attributes;
pub(crate) mod change;
pub(crate) mod diff;
pub(crate) mod encode;
pub(crate) mod exact;
pub(crate) mod field;
pub(crate) mod id;
pub(crate) mod key;
pub(crate) mod lifetimes;
pub(crate) mod ownership;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod value;
