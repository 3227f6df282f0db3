//! Turns across processes: leases on the states of a session, and the line in which nodes wait for them.
//!
//! Uses `wire` and `records`. Never knows by what message a waiting call is woken, nor what else nodes tell each other.

pub(crate) mod leases;
