//! What a `#[session_state]` struct is to the runtime: a key, and a JSON object of fields.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::{
    error::{Error, ErrorKind},
    session::{change::Fields, diff::Differences},
};

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
    match serde_json::to_value(state) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(not_encoded::<T>("it does not serialise into a JSON object")),
        Err(error) => Err(not_encoded::<T>("a field does not serialise into JSON").because(error)),
    }
}

fn not_encoded<T: SessionState>(why: &str) -> Error {
    Error::with_text(ErrorKind::Encode, format!("state `{}` cannot be stored: {why}", T::NAME))
}
