//! A stored value: the fields that are there only as JSON, and the decoded state, in which those are that a commit of
//! it wrote. So a session that handlers alone use is kept once, many handlers decode once, and a commit copies little.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{
    field::{Field, FieldIndex, FieldSet},
    state::{SessionState, decode, fields_of},
};
use crate::{error::Error, panics::Contained};

/// The JSON value under one key of a session. Cheap to clone; clones share the decoded state.
#[derive(Clone)]
pub struct StoredValue(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// The state that was decoded from the value, or from which a commit made it.
    state: OnceLock<Decoded>,
    /// The whole value: as it came, and then `parts` is empty; or made of the parts when it is asked for.
    json: OnceLock<Box<Value>>,
}

/// The fields of an object: each is either here as JSON, or in the state.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    fields: Vec<Field>,
    /// Those that are stored as they are in the state.
    live: FieldSet,
}

/// A state, whichever it is. The last who has it may be a backend, inside of a lock.
pub(crate) type Decoded = Contained<Arc<dyn Live>>;

pub(crate) trait Live: Any + Send + Sync {
    /// These fields as JSON.
    fn fields(&self, fields: FieldSet) -> Vec<Field>;
}

impl<T: SessionState> Live for T {
    fn fields(&self, fields: FieldSet) -> Vec<Field> {
        fields_of(self, fields)
    }
}

impl StoredValue {
    /// A value as it is stored.
    pub fn new(json: Value) -> Self {
        Self(Arc::new(Inner {
            parts: Parts::default(),
            state: OnceLock::new(),
            json: OnceLock::from(Box::new(json)),
        }))
    }

    /// An object of these fields, and the state that they are, where it is known.
    pub(crate) fn of_parts(parts: Parts, state: Option<Decoded>) -> Self {
        let state = state.map_or_else(OnceLock::new, OnceLock::from);
        Self(Arc::new(Inner { parts, state, json: OnceLock::new() }))
    }

    /// The value as it is stored.
    pub fn json(&self) -> &Value {
        self.0.json.get_or_init(|| {
            let fields = self.0.fields();
            let fields = fields.map(|(name, value)| (name.into_owned(), Arc::unwrap_or_clone(value)));
            Box::new(Value::Object(fields.collect()))
        })
    }

    /// What a value is made of that comes out of this one, if this is an object. Fields stay in the state only if the
    /// new value has one of the same type.
    pub(crate) fn parts(&self, state: Option<&Decoded>) -> Option<Parts> {
        let Inner { parts, state: own, json } = &*self.0;
        let type_of = |state: &Decoded| (***state).type_id();
        let in_parts = !parts.is_empty() || json.get().is_none();
        if in_parts && (parts.live.is_empty() || state.map(type_of) == own.get().map(type_of)) {
            return Some(parts.clone());
        }
        let fields = self.json().as_object()?.iter();
        let fields = fields.map(|(name, value)| (Cow::Owned(name.clone()), Arc::new(value.clone())));
        Some(Parts { fields: fields.collect(), live: FieldSet::default() })
    }

    /// How many fields are here as JSON, beside those in the state.
    #[cfg(test)]
    pub(super) fn fields_kept_as_json(&self) -> usize {
        self.0.parts.fields.len()
    }

    /// Whether this is the same value, and not only an equal one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The value as a state, decoded at most once for all clones.
    pub(crate) fn state<T: SessionState>(&self) -> Result<Arc<T>, Error> {
        if let Some(state) = self.0.state.get()
            && let Ok(state) = Arc::downcast::<T>(Arc::clone(&**state) as Arc<dyn Any + Send + Sync>)
        {
            return Ok(state);
        }
        let state = Arc::new(decode::<T>(self.json())?);
        // Another type under the same key may have been first: then this one is decoded each time.
        self.0.state.set(Contained::new(Arc::clone(&state) as _)).ok();
        Ok(state)
    }
}

impl Inner {
    /// All fields, where the value is not there as JSON from the beginning.
    fn fields(&self) -> impl Iterator<Item = Field> {
        let live = self.state.get().map(|state| state.fields(self.parts.live));
        self.parts.fields.iter().cloned().chain(live.into_iter().flatten())
    }
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.live.is_empty()
    }

    #[allow(clippy::ptr_arg, reason = "a name that is owned is cloned only if it is new")]
    pub(crate) fn put(&mut self, name: &Cow<'static, str>, json: Arc<Value>) {
        match self.fields.iter_mut().find(|(stored, _)| stored == name) {
            Some((_, stored)) => *stored = json,
            None => self.fields.push((name.clone(), json)),
        }
    }

    /// From now on the field is stored as it is in the state.
    pub(crate) fn put_live(&mut self, name: &str, index: FieldIndex) {
        if !self.live.contains(index) {
            self.remove(name);
            self.live.insert(index);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|(stored, _)| stored != name);
    }
}

impl Serialize for StoredValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(json) = self.0.json.get() {
            return json.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.fields() {
            map.serialize_entry(&name, &*value)?;
        }
        map.end()
    }
}

impl fmt::Debug for StoredValue {
    /// Does not show the value: sessions hold what belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredValue(..)")
    }
}
