//! Turns across processes.

pub(crate) mod leases;
pub(crate) mod runs;
