//! The fields of a state: their indices in its struct, their values as they are stored, and those that change.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value};
use smallvec::SmallVec;

/// The fields of one state, as they are stored.
pub(crate) type Fields = Map<String, Value>;

/// A field's name and its value.
pub(crate) type Field = (Cow<'static, str>, Arc<Value>);

/// Where the fields of a state are stored that are not in a state.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack; a box would be an allocation for each state read"
)]
pub(crate) enum StoredFields<'a> {
    Nowhere,
    /// Of an object with few fields also these side by side: a tree takes longer to find each.
    Object(&'a Fields, SmallVec<[(&'a str, &'a Value); FEW]>),
    List(&'a [Field]),
}

const FEW: usize = 16;

impl<'a> StoredFields<'a> {
    pub(super) fn of_object(fields: &'a Fields) -> Self {
        let entries = fields.iter().map(|(name, value)| (&**name, value));
        Self::Object(fields, if fields.len() <= FEW { entries.collect() } else { SmallVec::new() })
    }

    /// The value under the first of these names that there is.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| match self {
            Self::Nowhere => None,
            Self::Object(fields, entries) if entries.is_empty() => fields.get(*name),
            Self::Object(_, entries) => {
                entries.iter().find(|(stored, _)| stored == name).map(|(_, value)| *value)
            }
            Self::List(fields) => fields.iter().find(|(stored, _)| stored == name).map(|(_, value)| &**value),
        })
    }

    /// All of them.
    pub(super) fn to_object(&self) -> Cow<'a, Fields> {
        match self {
            Self::Nowhere => Cow::Owned(Fields::new()),
            Self::Object(fields, _) => Cow::Borrowed(*fields),
            Self::List(fields) => Cow::Owned(
                fields.iter().map(|(name, value)| (name.to_string(), Value::clone(value))).collect(),
            ),
        }
    }
}

/// Which field of its struct a field of an exact type is, among the first 64. What it serialises to depends on nothing
/// else, so that it may stay in the decoded state until somebody asks for its JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldIndex(u8);

/// Some of the fields of one state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FieldSet(u64);

impl FieldIndex {
    pub(crate) fn of(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|index| u32::from(*index) < u64::BITS).map(Self)
    }
}

impl FieldSet {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, index: FieldIndex) -> bool {
        self.0 & (1 << index.0) != 0
    }

    pub(crate) fn insert(&mut self, index: FieldIndex) {
        self.0 |= 1 << index.0;
    }
}

/// What a field changes to.
#[derive(Clone, Debug)]
pub(crate) enum NewValue {
    /// This, which can be had from the resulting state as well.
    Live(FieldIndex, Value),
    Json(Arc<Value>),
    /// It is removed.
    Nothing,
}

impl NewValue {
    pub(super) fn json(&self) -> Option<&Value> {
        match self {
            Self::Live(_, json) => Some(json),
            Self::Json(json) => Some(json),
            Self::Nothing => None,
        }
    }

    pub(crate) fn into_json(self) -> Option<Arc<Value>> {
        match self {
            Self::Live(_, json) => Some(Arc::new(json)),
            Self::Json(json) => Some(json),
            Self::Nothing => None,
        }
    }

    /// The same for who shares it with nobody.
    pub(super) fn into_value(self) -> Option<Value> {
        match self {
            Self::Live(_, json) => Some(json),
            Self::Json(json) => Some(Arc::unwrap_or_clone(json)),
            Self::Nothing => None,
        }
    }
}

impl From<Option<Value>> for NewValue {
    fn from(json: Option<Value>) -> Self {
        json.map_or(Self::Nothing, |json| Self::Json(Arc::new(json)))
    }
}

pub(crate) type ChangedFields = SmallVec<[(Cow<'static, str>, NewValue); 1]>;

/// The fields that differ. A field is replaced whole.
pub(crate) fn changed_fields(before: &Fields, after: &Fields) -> ChangedFields {
    let mut changed = ChangedFields::new();
    for (name, value) in after {
        if before.get(name) != Some(value) {
            changed.push((Cow::Owned(name.clone()), Some(value.clone()).into()));
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changed.push((Cow::Owned(name.clone()), NewValue::Nothing));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_small_and_in_large_objects() {
        for number in [0, 1, FEW, FEW + 1, 4 * FEW] {
            let fields: Fields = (0..number).map(|at| (format!("f{at}"), Value::from(at))).collect();
            let stored = StoredFields::of_object(&fields);
            for at in 0..number {
                let name = format!("f{at}");
                assert_eq!(stored.get(&["former", &name]), Some(&Value::from(at)), "{name} of {number}");
            }
            assert_eq!(stored.get(&["f", "former"]), None);
            assert_eq!(&*stored.to_object(), &fields);
        }
    }

    #[test]
    fn a_set_holds_fields_up_to_its_end() {
        let mut fields = FieldSet::default();
        fields.insert(FieldIndex::of(63).unwrap());
        assert!(fields.contains(FieldIndex(63)) && !fields.contains(FieldIndex(0)) && !fields.is_empty());
        assert!(FieldIndex::of(64).is_none());
        assert!(FieldIndex::of(256).is_none());
    }
}
