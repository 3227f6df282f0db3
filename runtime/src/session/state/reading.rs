//! A state read from what is stored: field by field, under the names that its fields have in JSON; or whole, where serde
//! attributes say how it is stored.

use std::{any::type_name, collections::HashSet, fmt};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::SessionState;
use crate::{
    error::{Error, ErrorKind},
    session::field::StoredFields,
};

/// Where a state is read from.
pub struct Reading<'a, T> {
    /// A state that has the same exact fields.
    decoded: Option<&'a T>,
    stored: StoredFields<'a>,
}

impl<T> fmt::Debug for Reading<'_, T> {
    /// Does not show what is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

impl<'a, T: SessionState> Reading<'a, T> {
    pub(crate) fn new(decoded: Option<&'a T>, stored: StoredFields<'a>) -> Self {
        Self { decoded, stored }
    }

    /// One field. `names`: those under which it is stored, the one under which it is written first. `copied`: its value in a
    /// state, if its type is exact.
    ///
    /// # Errors
    ///
    /// If the stored value does not decode, and the state does not begin anew in such a case.
    #[inline]
    pub fn field<F: DeserializeOwned>(
        &self,
        names: &[&'static str],
        copied: impl FnOnce(&T) -> Option<F>,
        first: impl FnOnce() -> F,
    ) -> Result<F, Error> {
        if let Some(copy) = self.decoded.and_then(copied) {
            return Ok(copy);
        }
        self.stored_field(names).map(|stored| stored.unwrap_or_else(first))
    }

    /// `None`: the field begins with its first value.
    fn stored_field<F: DeserializeOwned>(&self, names: &[&'static str]) -> Result<Option<F>, Error> {
        let Some(json) = self.stored.get(names) else { return Ok(None) };
        decode(json).map(Some).or_else(|error| {
            let name = names.first().copied().unwrap_or_default();
            let place = format!("field `{name}{}`", inside(error.path()));
            if T::BEGINS_ANEW {
                warn_once(T::KEY, type_name::<T>(), &place);
                return Ok(None);
            }
            Err(undecodable(T::KEY, T::NAME, &place).because(error.into_inner()))
        })
    }

    /// The state as serde reads it.
    pub(super) fn whole(&self) -> Result<T, Error> {
        let fields = self.stored.to_object();
        T::deserialize(&*fields).or_else(|_| serde_path_to_error::deserialize(&*fields)).map_err(|error| {
            let place = format!("field `{}`", inside(error.path()).trim_start_matches('.'));
            undecodable(T::KEY, T::NAME, &place).because(error.into_inner())
        })
    }
}

/// Only what does not decode is read again with its path, which costs an allocation for each key of a map.
fn decode<F: DeserializeOwned>(json: &Value) -> Result<F, serde_path_to_error::Error<serde_json::Error>> {
    F::deserialize(json).or_else(|_| serde_path_to_error::deserialize(json))
}

/// The fields of a stored value. serde would take an array for a struct's fields in their order; a state is an object.
pub(crate) fn fields_of_json<T: SessionState>(json: &Value) -> Result<StoredFields<'_>, Error> {
    match json.as_object() {
        Some(fields) => Ok(StoredFields::of_object(fields)),
        None if T::BEGINS_ANEW => {
            warn_once(T::KEY, type_name::<T>(), "it is no object");
            Ok(StoredFields::Nowhere)
        }
        None => Err(undecodable(T::KEY, T::NAME, "it is no object")),
    }
}

/// The path to what does not decode. The key of a map in it may be anything that users stored, so only what could be a
/// field's name is shown.
fn inside(path: &Path) -> String {
    let could_be_a_field = |name: &str| {
        name.len() <= 40
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut fields = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } if could_be_a_field(key) => fields.extend([".", key]),
            Segment::Seq { .. } => fields.push_str("[]"),
            Segment::Enum { variant } => fields.extend(["::", variant]),
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

/// Says what begins anew, once in this process: the same holds for each session that an older build wrote.
fn warn_once(key: &str, state: &'static str, place: &str) {
    static SAID: Mutex<Option<HashSet<(&'static str, String)>>> = Mutex::new(None);
    if SAID.lock().get_or_insert_default().insert((state, place.to_owned())) {
        tracing::warn!(
            "a value stored under `{key}` does not decode into `{state}`: {place}; it begins with its default in each \
             session in which that is so"
        );
    }
}
