//! Which states a layer sends to the session's sockets when they have changed: reading what is sent of one, and what a commit
//! is to who listens.

use std::fmt;

use serde_json::Value;

use super::access::{Access as _, Read, States};
use crate::{
    backend::{Backend, Loaded},
    error::Error,
    panics::caught,
    process::{ChangedKey, News},
    session::{
        change::{Change, Changes},
        state::{LiveState, pushed},
    },
};

/// The states that a layer was told of by `with_live`.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveStates(Vec<Live>);

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    /// The key under which it is stored, as what is to be loaded.
    pub(crate) keys: &'static [&'static str],
    pub(crate) event: &'static str,
    /// The fields that are never sent.
    server_only: &'static [&'static str],
    read: fn(Option<&Loaded>, &dyn Backend) -> Result<Value, Error>,
}

impl Live {
    fn of<T: LiveState>() -> Self {
        let keys = <(Read<T>,) as States>::KEYS;
        Self { keys, event: T::EVENT, server_only: T::SERVER_ONLY, read: read::<T> }
    }

    pub(crate) fn key(&self) -> &'static str {
        self.keys[0]
    }

    /// What clients are sent of it.
    pub(crate) fn read(&self, loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Value, Error> {
        caught(|| (self.read)(loaded, backend))
    }

    fn is_sent(&self, field: &str) -> bool {
        !self.server_only.contains(&field)
    }
}

fn read<T: LiveState>(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Value, Error> {
    let mut state = Read::<T>::load(loaded, backend)?;
    pushed(state.lend())
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("key", &self.key()).field("event", &self.event).finish_non_exhaustive()
    }
}

impl LiveStates {
    /// Also this one. Of two under one key the last one counts.
    pub(crate) fn add<T: LiveState>(&mut self) {
        let live = Live::of::<T>();
        self.0.retain(|known| known.key() != live.key());
        self.0.push(live);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Live> {
        self.0.iter()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.with_key(key).is_some()
    }

    fn with_key(&self, key: &str) -> Option<&Live> {
        self.0.iter().find(|live| live.key() == key)
    }

    /// What these changes are to who listens.
    pub(crate) fn news(&self, changes: &Changes) -> News {
        let keys = changes.iter().map(|(key, change)| {
            let is_sent = match (change, self.with_key(key)) {
                // Of an alias or a former name of a field only the removal is committed.
                (Change::Fields(fields), Some(live)) => {
                    fields.iter().any(|(field, value)| value.is_some() && live.is_sent(field))
                }
                // Somebody else's view of it, or a value that was replaced whole.
                _ => false,
            };
            ChangedKey { key: key.clone(), is_sent }
        });
        News::Keys(keys.collect())
    }
}
