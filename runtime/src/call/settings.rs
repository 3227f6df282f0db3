//! What calls go by: how long sessions live, how long turns last, and when records are saved.

use std::time::Duration;

use super::live_states::LiveStates;
use crate::{session::lifetimes::Lifetimes, turns::Limits};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) lifetimes: Lifetimes,
    pub(crate) limits: Limits,
    /// The longest time that a call of the backend may take.
    pub(crate) backend_timeout: Duration,
    /// Save a session at the end of each request that has one.
    pub(crate) always_save: bool,
    /// The states that sockets are sent when they have changed.
    pub(crate) live: LiveStates,
}

impl Default for Settings {
    fn default() -> Self {
        let limits = Limits { wait: Duration::from_secs(30), hold: Duration::from_secs(30), waiters: 4096 };
        let backend_timeout = Duration::from_secs(10);
        let (lifetimes, live) = Default::default();
        Self { lifetimes, limits, backend_timeout, always_save: false, live }
    }
}
