//! What a `#[session_state]` struct is to the runtime: a key, and a JSON object of fields.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::{
    diff::{self, Differences},
    field::{ChangedFields, Field, FieldSet, Fields, changed_fields},
};
use crate::error::{Error, ErrorKind};

/// A struct whose value lives in the session. Implemented by [`#[session_state]`](macro@crate::session_state).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session state",
    label = "needs `#[session_state]`",
    note = "write `#[session_state]` above `struct {Self}`, above its `#[derive(..)]`"
)]
pub trait SessionState: Serialize + DeserializeOwned + Default + Send + Sync + 'static {
    /// The key in the session under which the state's value is stored.
    const KEY: &'static str;

    /// The struct's name, for errors.
    const NAME: &'static str;

    /// A copy, where the struct is `Clone`: cheaper than decoding again.
    #[doc(hidden)]
    fn duplicate(&self) -> Option<Self>;

    /// Collects the fields that differ.
    #[doc(hidden)]
    fn compare(before: &Self, after: &Self, differences: &mut Differences) -> Result<(), Error> {
        differences.whole(before, after)
    }
}

/// The stored value as a state.
pub(crate) fn decode<T: SessionState>(json: &Value) -> Result<T, Error> {
    // serde would take an array for a struct's fields in their order; a state is an object.
    if !json.is_object() {
        return Err(undecodable(T::KEY, T::NAME, "it is no object"));
    }
    serde_path_to_error::deserialize(json).map_err(|error| {
        let place = format!("field `{}`", path_of_fields(error.path()));
        undecodable(T::KEY, T::NAME, &place).because(error.into_inner())
    })
}

/// The path to a field. The key of a map in it may be anything that users stored, so only what could be a field's
/// name is shown.
fn path_of_fields(path: &Path) -> String {
    let could_be_a_field = |name: &str| {
        name.len() <= 40
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut fields = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } if could_be_a_field(key) => {
                if !fields.is_empty() {
                    fields.push('.');
                }
                fields.push_str(key);
            }
            Segment::Seq { .. } => fields.push_str("[]"),
            Segment::Enum { variant } => {
                fields.push_str("::");
                fields.push_str(variant);
            }
            Segment::Map { .. } | Segment::Unknown => fields.push_str("[..]"),
        }
    }
    fields
}

fn undecodable(key: &str, name: &str, place: &str) -> Error {
    Error::with_text(
        ErrorKind::Undecodable,
        format!(
            "the value stored under `{key}` does not decode into `{name}`: {place}; it was left as it is"
        ),
    )
}

/// The state as the fields that are stored.
pub(crate) fn encode<T: SessionState>(state: &T) -> Result<Fields, Error> {
    diff::encode(T::NAME, state)
}

/// The fields in which a state differs from what it was.
pub(crate) fn changes_between<T: SessionState>(before: &T, after: &T) -> Result<ChangedFields, Error> {
    let mut differences = Differences::new(T::NAME);
    T::compare(before, after, &mut differences)?;
    Ok(differences.into_changed())
}

/// The fields in which a state differs from its fields as they were.
pub(crate) fn changes_since<T: SessionState>(before: &Fields, after: &T) -> Result<ChangedFields, Error> {
    Ok(changed_fields(before, &encode(after)?))
}

/// These fields as JSON. They serialise, for they did when a commit left them in the state.
pub(super) fn fields_of<T: SessionState>(state: &T, fields: FieldSet) -> Vec<Field> {
    let mut asked = Differences::of_fields(T::NAME, fields);
    T::compare(state, state, &mut asked).ok();
    let asked = asked.into_changed().into_iter();
    asked.filter_map(|(name, value)| value.into_json().map(|json| (name, json))).collect()
}
