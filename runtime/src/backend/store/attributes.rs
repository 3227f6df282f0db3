//! How a store's record has what belongs to the session itself: under a key of its own, and as an array, for each load and
//! each save of a record copies it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::{Expiry, session::Record};

use crate::{
    backend::{Attributes, BackendError},
    session::{attributes::nanoseconds, ownership::Ownership},
};

/// Handlers and plain `Session`s do not see it.
pub(super) const ATTRIBUTES_KEY: &str = "socketioxide-session";

/// The key, when the session began, its own expiry, whether it is provisional, whose it is.
#[derive(Serialize, Deserialize)]
struct Stored(
    Arc<str>,
    #[serde(with = "nanoseconds")] OffsetDateTime,
    Option<Expiry>,
    bool,
    Option<Arc<Ownership>>,
);

/// `None`: tower-sessions wrote the record alone.
pub(super) fn stored_attributes(record: &Record) -> Result<Option<Attributes>, BackendError> {
    let Some(json) = record.data.get(ATTRIBUTES_KEY) else { return Ok(None) };
    let Stored(key, created, expiry, provisional, ownership) =
        Stored::deserialize(json).map_err(BackendError::failed)?;
    Ok(Some(Attributes { key, created, expiry, provisional, ownership }))
}

pub(super) fn put_attributes(record: &mut Record, attributes: &Attributes) -> Result<(), BackendError> {
    let Attributes { key, created, expiry, provisional, ownership } = attributes.clone();
    let json = serde_json::to_value(Stored(key, created, expiry, provisional, ownership));
    record.data.insert(ATTRIBUTES_KEY.to_owned(), json.map_err(BackendError::failed)?);
    Ok(())
}
