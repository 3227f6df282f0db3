//! What a commit writes: the changed fields of states, whole values, and how both are applied to what is stored.

use std::{borrow::Cow, fmt};

use serde_json::Value;
use smallvec::SmallVec;

use super::{
    field::{ChangedFields, Fields, NewValue},
    value::{Decoded, Parts, StoredValue},
};

/// The change of the value under one key of the session.
#[derive(Clone)]
#[non_exhaustive]
pub enum Change {
    /// The value is replaced whole.
    Set(Value),
    /// The key is removed.
    Remove,
    /// Fields of the object under the key change; all others stay. Where nothing is stored, the object begins
    /// empty.
    Fields(FieldChanges),
}

/// The changed fields of one state.
#[derive(Clone)]
pub struct FieldChanges {
    fields: ChangedFields,
    result: Option<Resulting>,
}

/// What the state is after the changes, where they are applied to the very value that it came from.
#[derive(Clone)]
struct Resulting {
    from: Option<StoredValue>,
    state: Decoded,
}

impl<N: Into<Cow<'static, str>>> FromIterator<(N, Option<Value>)> for FieldChanges {
    /// Fields that are replaced (`Some`) or removed (`None`).
    fn from_iter<I: IntoIterator<Item = (N, Option<Value>)>>(fields: I) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { fields: fields.collect(), result: None }
    }
}

impl FieldChanges {
    /// The fields: replaced where there is a value, removed where there is none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.fields.iter().map(|(name, value)| (&**name, value.json()))
    }

    fn then(&mut self, later: &Self) {
        for field in &later.fields {
            match self.fields.iter_mut().find(|(name, _)| *name == field.0) {
                Some(earlier) => earlier.clone_from(field),
                None => self.fields.push(field.clone()),
            }
        }
        self.result = None;
    }

    fn apply(&self, stored: Option<&StoredValue>) -> Result<StoredValue, NotAnObject> {
        let result = self.result.as_ref().filter(|result| match (&result.from, stored) {
            (Some(from), Some(stored)) => from.is(stored),
            (None, None) => true,
            _ => false,
        });
        let state = result.map(|result| &result.state);
        let mut parts = match stored {
            Some(stored) => stored.parts(state).ok_or(NotAnObject)?,
            None => Parts::default(),
        };
        for (name, value) in &self.fields {
            match value {
                NewValue::Live(index, _) if state.is_some() => parts.put_live(name, *index),
                value => match value.clone().into_json() {
                    Some(json) => parts.put(name, json),
                    None => parts.remove(name),
                },
            }
        }
        Ok(StoredValue::of_parts(parts, state.cloned()))
    }
}

impl fmt::Debug for Change {
    /// Does not show values: sessions hold what belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(_) => f.write_str("Set(..)"),
            Self::Remove => f.write_str("Remove"),
            Self::Fields(_) => f.write_str("Fields(..)"),
        }
    }
}

/// The changes of one commit, a key each at most once.
pub type Changes = SmallVec<[(Cow<'static, str>, Change); 1]>;

/// The value under a key isn't an object: its fields cannot be changed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stored value is no JSON object")]
pub struct NotAnObject;

impl Change {
    /// Takes in a change of the same key that comes after this one.
    pub fn then(&mut self, later: &Self) {
        match (self, later) {
            (Self::Fields(earlier), Self::Fields(later)) => earlier.then(later),
            (earlier, later) => *earlier = later.clone(),
        }
    }

    /// Lets go of the state that it makes, and of what that came from: JSON is all that is asked for.
    pub(crate) fn forget_state(&mut self) {
        if let Self::Fields(changes) = self {
            changes.result = None;
        }
    }

    /// What is stored after this change where `stored` was before it.
    ///
    /// # Errors
    ///
    /// When fields are to change in a value that is no object: it stays as it is.
    pub fn apply(&self, stored: Option<&StoredValue>) -> Result<Option<StoredValue>, NotAnObject> {
        match self {
            Self::Set(value) => Ok(Some(StoredValue::new(value.clone()))),
            Self::Remove => Ok(None),
            Self::Fields(changes) => changes.apply(stored).map(Some),
        }
    }

    /// [`apply`](Self::apply) where what is stored is JSON and stays JSON.
    pub(crate) fn into_json(self, stored: Option<Value>) -> Result<Option<Value>, NotAnObject> {
        let changes = match self {
            Self::Set(value) => return Ok(Some(value)),
            Self::Remove => return Ok(None),
            Self::Fields(changes) => changes,
        };
        let mut fields = match stored {
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(NotAnObject),
            None => Fields::new(),
        };
        for (name, value) in changes.fields {
            match value.into_value() {
                Some(value) => put(&mut fields, name, value),
                None => drop(fields.remove(&*name)),
            }
        }
        Ok(Some(Value::Object(fields)))
    }
}

fn put(fields: &mut Fields, name: Cow<'static, str>, value: Value) {
    match fields.get_mut(&*name) {
        Some(stored) => *stored = value,
        None => drop(fields.insert(name.into_owned(), value)),
    }
}

/// The change that these fields are. `state`: what the state is after it, if that may be kept. `from`: the value from which
/// it was read; if that is no object, one begins in its place.
pub(crate) fn change_of(fields: ChangedFields, from: Option<StoredValue>, state: Option<Decoded>) -> Change {
    if from.as_ref().is_some_and(|from| !from.is_object()) {
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value.into_value()?)));
        return Change::Set(fields.collect());
    }
    Change::Fields(FieldChanges { fields, result: state.map(|state| Resulting { from, state }) })
}

/// The keys that differ between what a plain `Session` loaded and what it saves.
pub(crate) fn changed_keys<'a>(
    before: impl Fn(&str) -> Option<&'a Value>,
    before_keys: impl Iterator<Item = &'a String>,
    after: &std::collections::HashMap<String, Value>,
) -> Changes {
    let mut changes = Changes::new();
    for (key, value) in after {
        if before(key) != Some(value) {
            changes.push((Cow::Owned(key.clone()), Change::Set(value.clone())));
        }
    }
    for key in before_keys.filter(|key| !after.contains_key(*key)) {
        changes.push((Cow::Owned(key.clone()), Change::Remove));
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::field::changed_fields, *};

    fn fields() -> impl Strategy<Value = Fields> {
        let value = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..3).prop_map(|v| json!(v)),
            prop::collection::btree_map("[a-c]", any::<u8>(), 0..3).prop_map(|m| json!(m)),
        ];
        prop::collection::btree_map("[a-f]", value, 0..6).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        /// Applying the difference gives what was there at the end, and keeps fields of others.
        #[test]
        fn diff_and_apply_are_inverse(before in fields(), after in fields(), foreign in fields()) {
            let mut stored = before.clone();
            let mut expected = after.clone();
            for (name, value) in foreign {
                let name = format!("foreign_{name}");
                stored.insert(name.clone(), value.clone());
                expected.insert(name, value);
            }
            let stored = StoredValue::new(Value::Object(stored));
            let fields = changed_fields(&before, &after);
            prop_assert_eq!(fields.is_empty(), before == after);
            let changes = FieldChanges { fields, result: None };
            let result = changes.apply(Some(&stored)).unwrap();
            prop_assert_eq!(result.json(), &Value::Object(expected));
        }
    }

    #[test]
    fn fields_of_what_is_no_object_are_refused() {
        let fields = changed_fields(&Fields::new(), json!({"a": 1}).as_object().unwrap());
        let changes = FieldChanges { fields, result: None };
        assert!(changes.apply(Some(&StoredValue::new(json!([1])))).is_err());
    }
}
