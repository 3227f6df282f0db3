//! A stored value: its fields, shared with the values it came from, and the decoded state beside them, so that
//! many handlers decode once and a commit copies only what changed.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::{
    error::Error,
    state::{SessionState, decode},
};

/// A field's name and its value.
pub(crate) type Field = (Cow<'static, str>, Arc<Value>);

/// The JSON value under one key of a session. Cheap to clone; clones share the decoded state.
#[derive(Clone)]
pub struct StoredValue(Arc<Shared>);

struct Shared {
    form: Form,
    /// The whole value, made when it is asked for.
    json: OnceLock<Value>,
    decoded: OnceLock<Decoded>,
}

enum Form {
    Object(Vec<Field>),
    /// No object: it is in `json`.
    Other,
}

/// A state that was decoded from a value, or from which the value was made.
pub(crate) type Decoded = Arc<dyn Any + Send + Sync>;

impl StoredValue {
    /// A value as it is stored.
    pub fn new(json: Value) -> Self {
        match json {
            Value::Object(fields) => Self::of_fields(
                fields.into_iter().map(|(name, value)| (Cow::Owned(name), Arc::new(value))).collect(),
                None,
            ),
            other => {
                let (json, decoded) = (OnceLock::from(other), OnceLock::new());
                Self(Arc::new(Shared { form: Form::Other, json, decoded }))
            }
        }
    }

    /// An object of these fields, and the state that they are, where it is known.
    pub(crate) fn of_fields(fields: Vec<Field>, decoded: Option<Decoded>) -> Self {
        let decoded = decoded.map_or_else(OnceLock::new, OnceLock::from);
        Self(Arc::new(Shared { form: Form::Object(fields), json: OnceLock::new(), decoded }))
    }

    /// The value as it is stored.
    pub fn json(&self) -> &Value {
        self.0.json.get_or_init(|| match &self.0.form {
            Form::Object(fields) => {
                let entries = fields.iter().map(|(name, value)| (name.to_string(), Value::clone(value)));
                Value::Object(entries.collect())
            }
            Form::Other => Value::Null,
        })
    }

    /// The fields, if the value is an object.
    pub(crate) fn fields(&self) -> Option<&[Field]> {
        match &self.0.form {
            Form::Object(fields) => Some(fields),
            Form::Other => None,
        }
    }

    /// Whether this is the same value, and not only an equal one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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

impl Serialize for StoredValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(fields) = self.fields() else { return self.json().serialize(serializer) };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in fields {
            map.serialize_entry(name, &**value)?;
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
