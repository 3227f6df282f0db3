//! `forget.lua`: sessions leave the index of an owner.

use std::sync::LazyLock;

use redis::Script;

use super::call::{Call, run, script};
use crate::backend::{
    BackendError,
    redis::wire::{Wire, link::Failure},
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("forget.lua")]));

/// What is sent.
pub(crate) struct Forget<'a> {
    pub(crate) index: &'a str,
    /// Sessions' keys, and since when they stand there, in milliseconds since 1970.
    pub(crate) entries: &'a [(String, i64)],
}

impl Forget<'_> {
    pub(crate) async fn send(&self, wire: &Wire) -> Result<(), BackendError> {
        run::<i64>(wire, |_| self.call()).await.map(drop).map_err(Failure::failed)
    }

    pub(super) fn call(&self) -> Call {
        let mut call = Call::of(&SCRIPT, 1).key("index", self.index);
        for (key, since) in self.entries {
            call = call.more(key).more(since);
        }
        call
    }
}
