//! Sessions as text, for engines that keep JSON as it is written: values are changed without touching what is not ours.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use tower_sessions::Expiry;

use super::{Attributes, BackendError, FieldChanges};

/// A value that is larger than `with_max_value_size` allows.
#[derive(Debug, thiserror::Error)]
#[error(
    "the value under `{key}` would have {size} bytes, more than the {limit} that `with_max_value_size` allows"
)]
pub(crate) struct TooLarge {
    key: String,
    size: usize,
    limit: usize,
}

/// An error if a value is larger than this.
pub(crate) fn check_size(key: &str, size: usize, limit: usize) -> Result<(), BackendError> {
    if size <= limit {
        Ok(())
    } else {
        Err(BackendError::failed(TooLarge { key: key.to_owned(), size, limit }))
    }
}

/// What never changes of the session itself.
pub(crate) fn encode_lasting(attributes: &Attributes) -> Result<String, BackendError> {
    let lasting = Attributes { expiry: None, provisional: false, ownership: None, ..attributes.clone() };
    serde_json::to_string(&lasting).map_err(BackendError::failed)
}

/// An expiry of a session's own; nothing where there is none.
pub(crate) fn encode_expiry(expiry: Option<Expiry>) -> Result<String, BackendError> {
    expiry.map_or_else(
        || Ok(String::new()),
        |expiry| serde_json::to_string(&expiry).map_err(BackendError::failed),
    )
}

/// The stored text with these fields replaced or removed. All others stay as they are, byte for byte: a number
/// that this build cannot hold survives it.
pub(crate) fn merge(
    key: &str,
    stored: Option<&[u8]>,
    changed: &FieldChanges,
) -> Result<Vec<u8>, BackendError> {
    let stored = stored.unwrap_or(b"{}");
    let mut json = serde_json::Deserializer::from_slice(stored);
    let merged = Merge { changed, size: stored.len() }.deserialize(&mut json);
    if let Ok(merged) = merged.and_then(|merged| json.end().map(|()| merged)) {
        return Ok(merged);
    }
    // A name that is written with escapes.
    match serde_json::from_slice::<BTreeMap<String, &RawValue>>(stored) {
        Ok(mut fields) => {
            fields.retain(|name, _| !changed.iter().any(|(changed, _)| changed == name));
            let plain = serde_json::to_vec(&fields).map_err(BackendError::failed)?;
            with_changes(plain, changed).map_err(BackendError::failed)
        }
        Err(_) if serde_json::from_slice::<&RawValue>(stored).is_ok() => {
            Err(BackendError::NotAnObject(key.to_owned()))
        }
        Err(_) => Err(BackendError::NotJson(key.to_owned())),
    }
}

/// Copies an object, whose names are written without escapes, with changes.
struct Merge<'a> {
    changed: &'a FieldChanges,
    size: usize,
}

impl<'de> DeserializeSeed<'de> for Merge<'_> {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Merge<'_> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Vec<u8>, A::Error> {
        let mut text = Vec::with_capacity(self.size + 32);
        text.push(b'{');
        while let Some((name, value)) = fields.next_entry::<&str, &RawValue>()? {
            if !self.changed.iter().any(|(changed, _)| changed == name) {
                text.extend_from_slice(if text.len() > 1 { b",\"" } else { b"\"" });
                text.extend_from_slice(name.as_bytes());
                text.extend_from_slice(b"\":");
                text.extend_from_slice(value.get().as_bytes());
            }
        }
        text.push(b'}');
        with_changes(text, self.changed).map_err(A::Error::custom)
    }
}

/// The text of an object that has none of the changed fields, and then has those that are not removed.
fn with_changes(mut text: Vec<u8>, changed: &FieldChanges) -> serde_json::Result<Vec<u8>> {
    text.pop();
    for (name, value) in changed.iter() {
        let Some(value) = value else { continue };
        if text.len() > 1 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, name)?;
        text.push(b':');
        serde_json::to_writer(&mut text, value)?;
    }
    text.push(b'}');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_keeps_what_it_does_not_name() {
        let stored = br#"{"big":123456789012345678901234567890,"empty":[],"n":1,"gone":0}"#;
        let changed = FieldChanges::from_iter([("n", Some(json!(2))), ("gone", None)]);
        let merged = merge("k", Some(stored), &changed).unwrap();
        assert_eq!(merged, br#"{"big":123456789012345678901234567890,"empty":[],"n":2}"#);
        assert_eq!(merge("k", None, &changed).unwrap(), br#"{"n":2}"#);
        let escaped = br#"{"\"":1.50,"\u006e":1}"#;
        assert_eq!(merge("k", Some(escaped), &changed).unwrap(), br#"{"\"":1.50,"n":2}"#);
        assert!(matches!(merge("k", Some(b"[1]"), &changed), Err(BackendError::NotAnObject(_))));
        assert!(matches!(merge("k", Some(b"{"), &changed), Err(BackendError::NotJson(_))));
    }
}
