//! A stored value: the fields that are there only as JSON, and the decoded state, in which those are that a commit of
//! it wrote. So a session that handlers alone use is kept once, many handlers decode once, and a commit copies little.
//! Of the decoded state only exact fields count; what is not exact is read from its encoding by each call, so that no call
//! sees what another one did and did not commit, and so that the same is read as from any other backend.

use std::{
    any::{Any, TypeId, type_name},
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{
    field::{Field, FieldIndex, FieldSet, StoredFields},
    state::{Lives, Reading, SessionState, fields_of, fields_of_json},
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

    /// The struct's whole name.
    fn type_name(&self) -> &'static str;
}

impl<T: SessionState> Live for T {
    fn fields(&self, fields: FieldSet) -> Vec<Field> {
        fields_of(self, fields)
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

/// What a value was decoded into before.
pub(crate) enum Known<T> {
    Decoded(Arc<T>),
    /// Another struct, of this name.
    Other(&'static str),
    Nothing,
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

    /// The same for who may be the last that has it: then nothing is copied.
    pub(crate) fn into_json(mut self) -> Value {
        let own = Arc::get_mut(&mut self.0).and_then(|inner| inner.json.take());
        own.map_or_else(|| self.json().clone(), |json| *json)
    }

    /// What a value is made of that comes out of this one, if this is an object. Fields stay in the state only if the
    /// new value has one of the same type.
    pub(crate) fn parts(&self, state: Option<&Decoded>) -> Option<Parts> {
        let Inner { parts, state: own, .. } = &*self.0;
        let type_of = |state: &Decoded| (***state).type_id();
        if self.0.is_in_parts() && (parts.live.is_empty() || state.map(type_of) == own.get().map(type_of)) {
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

    /// Whether fields can change in it.
    pub(crate) fn is_object(&self) -> bool {
        self.0.is_in_parts() || self.json().is_object()
    }

    /// The state that it is known to be: of one whose fields are not all exact, those that are.
    #[inline]
    pub(crate) fn known<T: SessionState>(&self) -> Known<T> {
        let Some(state) = self.0.state.get() else { return Known::Nothing };
        match Arc::downcast::<T>(Arc::clone(&**state) as Arc<dyn Any + Send + Sync>) {
            Ok(state) => Known::Decoded(state),
            Err(_) => Known::Other((***state).type_name()),
        }
    }

    /// Decodes the value. Clones are told of it, but for what must be read anew by each call.
    pub(crate) fn decode<T: SessionState>(&self) -> Result<Arc<T>, Error> {
        let state = Arc::new(T::read(&Reading::new(None, fields_of_json::<T>(self.json())?))?);
        if T::LIVES != Lives::AsItsEncoding {
            // Another type under the same key may have been first: then this one is decoded each time.
            self.0.state.set(Contained::new(Arc::clone(&state) as _)).ok();
        }
        Ok(state)
    }

    /// A state of a call's own. `known`: what it is [known](Self::known) to be, or was decoded into.
    pub(crate) fn read<T: SessionState>(&self, known: Option<&T>) -> Result<T, Error> {
        let kept = || self.0.state.get().is_some_and(|state| (***state).type_id() == TypeId::of::<T>());
        // Where it is what is kept here, it has all that is not in the list.
        let stored = if known.is_some() && self.0.is_in_parts() && kept() {
            StoredFields::List(&self.0.parts.fields)
        } else {
            fields_of_json::<T>(self.json())?
        };
        T::read(&Reading::new(known, stored))
    }
}

impl Inner {
    /// Whether it is an object that did not come as JSON.
    fn is_in_parts(&self) -> bool {
        !self.parts.is_empty() || self.json.get().is_none()
    }

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
