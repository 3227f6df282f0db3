//! `renew.lua`: the leases of a call last longer.

use std::{sync::LazyLock, time::Duration};

use redis::Script;

use super::call::{Call, run, script};
use crate::backend::{
    BackendError,
    redis::wire::{Wire, link::Failure, millis::span, names::SessionKeys},
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    script(&[include_str!("clock.lua"), include_str!("turns.lua"), include_str!("renew.lua")])
});

/// What is sent. Leases that are lost already stay lost.
pub(crate) struct Renew<'a> {
    pub(crate) keys: &'a SessionKeys,
    pub(crate) ticket: &'a str,
    /// How long the lease lasts from now on.
    pub(crate) lease: Duration,
}

impl Renew<'_> {
    pub(crate) async fn send(&self, wire: &Wire) -> Result<(), BackendError> {
        run(wire, |_| self.call()).await.map_err(Failure::failed)
    }

    pub(super) fn call(&self) -> Call {
        Call::of(&SCRIPT, 1)
            .key("control", self.keys.control())
            .arg("ticket", self.ticket)
            .arg("lease_ms", span(self.lease))
    }
}
