//! `release.lua`: the leases of a call end, and its waiting.

use std::sync::LazyLock;

use redis::Script;

use super::call::{Call, run, script};
use crate::backend::{
    BackendError,
    redis::wire::{Wire, link::Failure, names::SessionKeys},
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    script(&[include_str!("clock.lua"), include_str!("turns.lua"), include_str!("release.lua")])
});

/// What is sent.
pub(crate) struct Release<'a> {
    pub(crate) keys: &'a SessionKeys,
    pub(crate) ticket: &'a str,
}

impl Release<'_> {
    pub(crate) async fn send(&self, wire: &Wire) -> Result<(), BackendError> {
        run(wire, |_| self.call(wire)).await.map_err(Failure::failed)
    }

    pub(super) fn call(&self, wire: &Wire) -> Call {
        Call::of(&SCRIPT, 1)
            .key("control", self.keys.control())
            .arg("prefix", &wire.prefix)
            .arg("ticket", self.ticket)
    }
}
