//! Which states a layer sends to the session's sockets when they have changed: reading what is sent of one, and what a commit
//! is to who listens.

use std::fmt;

use serde_json::Value;

use super::access::{Access as _, Read, States};
use crate::{
    backend::{Backend, Loaded},
    error::Error,
    panics::caught,
    process::{ChangedKey, Concern, News},
    session::{
        change::{Change, Changes, FieldChanges},
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

    /// Whether one of these fields is sent.
    fn concern(&self, fields: &FieldChanges) -> Option<Concern> {
        let sent = fields.iter().filter(|(field, _)| !self.server_only.contains(field));
        // Of an alias or a former name of a field only the removal is committed.
        sent.map(|(_, value)| if value.is_some() { Concern::Surely } else { Concern::Perhaps }).max()
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
            let concern = match (change, self.with_key(key)) {
                (Change::Fields(fields), Some(live)) => live.concern(fields),
                // Somebody else's view of it, or a value that was replaced whole.
                _ => Some(Concern::Perhaps),
            };
            ChangedKey { key: key.clone(), concern }
        });
        News::Keys(keys.collect())
    }
}
