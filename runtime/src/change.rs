//! What a commit writes: the changed fields of states, whole values, and how both are applied to what is stored.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use crate::value::StoredValue;

/// The fields of one state, as they are stored.
pub(crate) type Fields = Map<String, Value>;

/// The change of the value under one key of the session.
#[derive(Clone)]
#[non_exhaustive]
pub enum Change {
    /// The value is replaced whole.
    Set(Value),
    /// The key is removed.
    Remove,
    /// These fields of the object under the key are replaced (`Some`) or removed (`None`); all others stay.
    /// Where nothing is stored, the object begins empty.
    Fields(BTreeMap<String, Option<Value>>),
}

impl fmt::Debug for Change {
    /// Does not show values: sessions hold what belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(_) => f.write_str("Set(..)"),
            Self::Remove => f.write_str("Remove"),
            Self::Fields(fields) => f.debug_tuple("Fields").field(&fields.keys()).finish(),
        }
    }
}

/// The changes of one commit, a key each at most once.
pub type Changes = Vec<(Cow<'static, str>, Change)>;

/// The value under a key is no object, so that its fields cannot be changed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stored value is no JSON object")]
pub struct NotAnObject;

impl Change {
    /// What is stored after this change where `stored` was before it.
    ///
    /// # Errors
    ///
    /// When fields are to change in a value that is no object: it stays as it is.
    pub fn apply(&self, stored: Option<&StoredValue>) -> Result<Option<StoredValue>, NotAnObject> {
        match self {
            Self::Set(value) => Ok(Some(StoredValue::new(value.clone()))),
            Self::Remove => Ok(None),
            Self::Fields(changed) => {
                let mut fields = match stored.map(StoredValue::json) {
                    Some(Value::Object(fields)) => fields.clone(),
                    Some(_) => return Err(NotAnObject),
                    None => Fields::new(),
                };
                for (name, value) in changed {
                    match value {
                        Some(value) => drop(fields.insert(name.clone(), value.clone())),
                        None => drop(fields.remove(name)),
                    }
                }
                Ok(Some(StoredValue::new(Value::Object(fields))))
            }
        }
    }
}

/// The fields that differ, or nothing where none does. A field is replaced whole.
pub(crate) fn changed_fields(before: &Fields, after: &Fields) -> Option<Change> {
    let mut changed = BTreeMap::new();
    for (name, value) in after {
        if before.get(name) != Some(value) {
            changed.insert(name.clone(), Some(value.clone()));
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changed.insert(name.clone(), None);
    }
    (!changed.is_empty()).then_some(Change::Fields(changed))
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

    use super::*;

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
            let result = if let Some(change) = changed_fields(&before, &after) {
                change.apply(Some(&stored)).unwrap().unwrap()
            } else {
                prop_assert_eq!(&before, &after);
                stored
            };
            prop_assert_eq!(result.json(), &Value::Object(expected));
        }
    }

    #[test]
    fn fields_of_what_is_no_object_are_refused() {
        let change = changed_fields(&Fields::new(), json!({"a": 1}).as_object().unwrap()).unwrap();
        assert!(change.apply(Some(&StoredValue::new(json!([1])))).is_err());
    }
}
