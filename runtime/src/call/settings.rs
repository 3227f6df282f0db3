//! What calls go by: how long sessions live, how long turns last, and when records are saved.

use std::time::Duration;

use crate::{session::lifetimes::Lifetimes, turns::Limits};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) lifetimes: Lifetimes,
    pub(crate) limits: Limits,
    /// Save a session at the end of each request that has one.
    pub(crate) always_save: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let limits = Limits { wait: Duration::from_secs(30), hold: Duration::from_secs(30), waiters: 4096 };
        Self { lifetimes: Lifetimes::default(), limits, always_save: false }
    }
}
