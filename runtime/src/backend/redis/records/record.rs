//! A session as it stands in Redis: read, and changed without touching what is not ours.

use std::{borrow::Borrow, collections::BTreeMap};

use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use tower_sessions::Expiry;

use crate::{
    backend::{Attributes, BackendError, FieldChanges, Lease, Loaded, redis::wire::millis},
    session::value::StoredValue,
};

/// A record without what every session has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the hash under a session's key is not what this crate wrote: `{0}` is missing or damaged; it was left as it is"
)]
pub(crate) struct Damaged(pub(crate) &'static str);

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

/// The fields of a record as a session.
pub(crate) fn decode(fields: &[(Vec<u8>, Vec<u8>)], lease: Lease) -> Result<Loaded, BackendError> {
    let of = |name: &[u8]| fields.iter().find(|(field, _)| field == name).map(|(_, value)| &**value);
    let attributes: Option<Attributes> = of(b"m").and_then(|json| serde_json::from_slice(json).ok());
    let mut attributes = attributes.ok_or_else(|| BackendError::failed(Damaged("m")))?;
    let expiry = of(b"e").map(serde_json::from_slice).transpose();
    attributes.expiry = expiry.map_err(|_| BackendError::failed(Damaged("e")))?;
    attributes.provisional = of(b"p").is_some();
    let expires = of(b"x").and_then(millis::moment).ok_or_else(|| BackendError::failed(Damaged("x")))?;
    let mut values = Vec::with_capacity(fields.len());
    for (field, json) in fields {
        if let Some(key) = field.strip_prefix(b"v:") {
            let key = String::from_utf8_lossy(key).into_owned();
            match serde_json::from_slice::<Value>(json) {
                Ok(value) => values.push((key.into(), StoredValue::new(value))),
                Err(_) => return Err(BackendError::NotJson(key)),
            }
        }
    }
    Ok(Loaded { attributes, expires, values: values.into(), lease })
}

/// What stands in `m`: what never changes of the session itself.
pub(crate) fn encode_lasting(attributes: &Attributes) -> Result<String, BackendError> {
    let lasting = Attributes { expiry: None, provisional: false, ..attributes.clone() };
    serde_json::to_string(&lasting).map_err(BackendError::failed)
}

/// What stands in `e`; nothing where there is none.
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
    let encoded =
        changed.iter().map(|(name, value)| value.map(to_raw_value).transpose().map(|value| (name, value)));
    let changed: Vec<_> = encoded.collect::<Result<_, _>>().map_err(BackendError::failed)?;
    let stored = stored.unwrap_or(b"{}");
    // As a rule no name is written with escapes, and none is copied.
    if let Ok(fields) = serde_json::from_slice::<BTreeMap<&str, &RawValue>>(stored) {
        return with_changes(fields, &changed);
    }
    match serde_json::from_slice::<BTreeMap<String, &RawValue>>(stored) {
        Ok(fields) => with_changes(fields, &changed),
        Err(_) if serde_json::from_slice::<&RawValue>(stored).is_ok() => {
            Err(BackendError::NotAnObject(key.to_owned()))
        }
        Err(_) => Err(BackendError::NotJson(key.to_owned())),
    }
}

fn with_changes<'a, Name>(
    mut fields: BTreeMap<Name, &'a RawValue>,
    changed: &'a [(&str, Option<Box<RawValue>>)],
) -> Result<Vec<u8>, BackendError>
where
    Name: Ord + Serialize + Borrow<str> + From<&'a str>,
{
    for (name, value) in changed {
        match value {
            Some(value) => fields.insert((*name).into(), value),
            None => fields.remove(*name),
        };
    }
    serde_json::to_vec(&fields).map_err(BackendError::failed)
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

    #[test]
    fn half_a_record_is_damaged() {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let attributes =
            serde_json::to_string(&Attributes::new(crate::session::id::SessionId::random())).unwrap();
        let whole =
            [field("m", &attributes), field("x", "2000000000000"), field("v:a", "1"), field("f", "7")];
        let loaded = decode(&whole, Lease(7)).unwrap();
        assert_eq!(loaded.values.len(), 1);
        assert_eq!(loaded.expires.unix_timestamp(), 2_000_000_000);
        assert_eq!((loaded.attributes.expiry, loaded.attributes.provisional), (None, false));
        let own = Expiry::OnInactivity(time::Duration::HOUR);
        let mut more = whole.to_vec();
        more.extend([field("e", &encode_expiry(Some(own)).unwrap()), field("p", "1")]);
        let loaded = decode(&more, Lease(7)).unwrap();
        assert_eq!((loaded.attributes.expiry, loaded.attributes.provisional), (Some(own), true));
        more[4].1.pop();
        assert!(decode(&more, Lease(7)).is_err());
        assert!(decode(&whole[..1], Lease(7)).is_err());
        assert!(decode(&whole[1..], Lease(7)).is_err());
        let broken = [field("m", &attributes), field("x", "2000000000000"), field("v:a", "{")];
        assert!(matches!(decode(&broken, Lease(7)), Err(BackendError::NotJson(_))));
    }
}
