//! Turns across processes: leases on the states of a session, the line in which nodes wait for them, and relays of calls
//! that go one after the other under one lease.
//!
//! Uses `wire` and `records`. Never knows by what message a waiting call is woken, nor what else nodes tell each other.

pub(crate) mod leases;
mod relay;
pub(crate) mod relays;
mod told;
