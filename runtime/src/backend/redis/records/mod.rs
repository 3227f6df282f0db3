//! Sessions as they stand in Redis.

pub(crate) mod cache;
pub(crate) mod commits;
mod moves;
pub(crate) mod record;
