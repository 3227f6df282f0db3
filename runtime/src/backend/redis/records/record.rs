//! A session as it stands in Redis: decoded.

use crate::{
    backend::{
        Attributes, BackendError, Lease, Loaded,
        redis::wire::{millis, names::Record},
    },
    session::value::StoredValue,
};

/// A record without what every session has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the hash under a session's key is not what this crate wrote: `{0}` is missing or damaged; it was left as it is"
)]
pub(crate) struct Damaged(pub(crate) &'static str);

/// A record as a session.
pub(crate) fn decode(record: &Record, lease: Lease) -> Result<Loaded, BackendError> {
    let Record { lasting, expiry, provisional, expires, values } = record;
    let damaged = |field| BackendError::failed(Damaged(field));
    let attributes = lasting.as_deref().and_then(|json| serde_json::from_slice(json).ok());
    let mut attributes: Attributes = attributes.ok_or_else(|| damaged("m"))?;
    let expiry = expiry.as_deref().map(serde_json::from_slice).transpose();
    attributes.expiry = expiry.map_err(|_| damaged("e"))?;
    attributes.provisional = provisional.is_some();
    let expires = expires.as_deref().and_then(millis::moment).ok_or_else(|| damaged("x"))?;
    let values = values.iter().map(|(key, json)| match serde_json::from_slice(json) {
        Ok(value) => Ok((key.clone(), StoredValue::new(value))),
        Err(_) => Err(BackendError::NotJson(key.clone().into_owned())),
    });
    let values: Vec<_> = values.collect::<Result<_, _>>()?;
    Ok(Loaded { attributes, expires, values: values.into(), lease })
}

#[cfg(test)]
mod tests {
    use tower_sessions::Expiry;

    use super::*;
    use crate::backend::text::encode_expiry;

    #[test]
    fn half_a_record_is_damaged() {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let of = |fields: &[_]| decode(&Record::of_all(fields.to_vec()), Lease(7));
        let attributes =
            serde_json::to_string(&Attributes::new(crate::session::id::SessionId::random())).unwrap();
        let whole =
            [field("m", &attributes), field("x", "2000000000000"), field("v:a", "1"), field("f", "7")];
        let loaded = of(&whole).unwrap();
        assert_eq!(loaded.values.len(), 1);
        assert_eq!(loaded.expires.unix_timestamp(), 2_000_000_000);
        assert_eq!((loaded.attributes.expiry, loaded.attributes.provisional), (None, false));
        let own = Expiry::OnInactivity(time::Duration::HOUR);
        let mut more = whole.to_vec();
        more.extend([field("e", &encode_expiry(Some(own)).unwrap()), field("p", "1")]);
        let loaded = of(&more).unwrap();
        assert_eq!((loaded.attributes.expiry, loaded.attributes.provisional), (Some(own), true));
        more[4].1.pop();
        assert!(of(&more).is_err());
        assert!(of(&whole[..1]).is_err());
        assert!(of(&whole[1..]).is_err());
        let broken = [field("m", &attributes), field("x", "2000000000000"), field("v:a", "{")];
        assert!(matches!(of(&broken), Err(BackendError::NotJson(_))));
    }
}
