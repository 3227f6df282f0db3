//! Sessions as they stand in Redis: read, kept for later reads, written once, moved to a new id.
//!
//! Uses `wire`, and tells `node` of sessions that were looked for in vain. Never knows how a lease is taken or who waits
//! for one, nor how news come in.

pub(crate) mod cache;
mod moves;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod writer;
