//! A stored value, with the decoded state beside it, so that many readers decode once.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use crate::{
    error::Error,
    state::{SessionState, decode},
};

/// The JSON value under one key of a session. Cheap to clone; clones share the decoded state.
#[derive(Clone)]
pub struct StoredValue(Arc<Shared>);

struct Shared {
    json: Value,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl StoredValue {
    /// A value as it is stored.
    pub fn new(json: Value) -> Self {
        Self(Arc::new(Shared { json, decoded: OnceLock::new() }))
    }

    /// The value as it is stored.
    pub fn json(&self) -> &Value {
        &self.0.json
    }

    /// The value as a state, decoded at most once for all clones.
    pub(crate) fn state<T: SessionState>(&self) -> Result<Arc<T>, Error> {
        if let Some(decoded) = self.0.decoded.get()
            && let Ok(state) = Arc::clone(decoded).downcast::<T>()
        {
            return Ok(state);
        }
        let state = Arc::new(decode::<T>(self.json())?);
        // Another type under the same key may have been first: then this one is decoded each time.
        self.0.decoded.set(Arc::clone(&state) as _).ok();
        Ok(state)
    }
}

impl fmt::Debug for StoredValue {
    /// Does not show the value: sessions hold what belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredValue(..)")
    }
}
