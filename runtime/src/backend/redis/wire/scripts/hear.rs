//! `hear.lua`: from now on the commits of a session are told to who listens to it.

use std::sync::LazyLock;

use redis::Script;

use super::call::{Call, run, script};
use crate::backend::{
    BackendError,
    redis::wire::{Wire, link::Failure, names::SessionKeys},
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("hear.lua")]));

/// What is sent.
pub(crate) struct Hear<'a> {
    pub(crate) keys: &'a SessionKeys,
}

impl Hear<'_> {
    /// `false`: there is no such session.
    pub(crate) async fn send(&self, wire: &Wire) -> Result<bool, BackendError> {
        run(wire, |_| self.call()).await.map_err(Failure::failed)
    }

    pub(super) fn call(&self) -> Call {
        Call::of(&SCRIPT, 1).key("record", &self.keys.record)
    }
}
