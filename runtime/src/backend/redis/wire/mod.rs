//! What travels between this process and Redis.

pub(crate) mod link;
pub(crate) mod names;
pub(crate) mod scripts;
pub(crate) mod source;
