//! Sessions as they stand in PostgreSQL: read, without any turn.

use std::{borrow::Cow, sync::Arc};

use sqlx::{Error, Row as _, postgres::PgRow};

use super::{
    node::Node,
    wire::{Wire, moment},
};
use crate::{
    backend::{Attributes, BackendError, Keys, Lease, Load, Loaded, OwnershipChanges, StoredValue},
    session::id::SessionId,
};

/// A row without what every session has.
#[derive(Debug, thiserror::Error)]
#[error("a session's row is not what this crate wrote: `{0}` is damaged; it was left as it is")]
pub(super) struct Damaged(&'static str);

/// Reads sessions.
pub(super) struct Reader {
    wire: Arc<Wire>,
    node: Node,
}

/// The keys that are wanted, as they are sent; `None`: all.
pub(super) fn wanted(keys: Keys) -> Option<Vec<&'static [u8]>> {
    match keys {
        Keys::Only(keys) => Some(keys.iter().map(|key| key.as_bytes()).collect()),
        Keys::All => None,
    }
}

impl Reader {
    pub(super) fn new(wire: Arc<Wire>, node: Node) -> Self {
        Self { wire, node }
    }

    /// `None` where there is no such session.
    pub(super) async fn read(&self, id: SessionId, load: Load) -> Result<Option<Loaded>, BackendError> {
        let hidden = self.wire.hidden(id);
        let hidden = &hidden.as_bytes()[..];
        let read = || sqlx::query(&self.wire.statements.read).bind(hidden).bind(wanted(load.keys));
        if let Some(row) = self.wire.link.ask(read).await? {
            return decode(&row, Lease::default(), load.ownership).map(Some);
        }
        self.found_gone(id).await?;
        Ok(None)
    }

    /// A session was looked for in vain: how did it end?
    pub(super) async fn found_gone(&self, id: SessionId) -> Result<(), BackendError> {
        let session = self.wire.hidden(id);
        let hidden = &session.as_bytes()[..];
        let ask = || sqlx::query(&self.wire.statements.ending).bind(hidden);
        if let Some(row) = self.wire.link.ask(ask).await? {
            let (kind, node): (String, String) = (get(&row, "kind")?, get(&row, "node")?);
            self.node.found_gone(session, Some(&kind), Some(&node));
        }
        Ok(())
    }
}

/// A column of an answer.
pub(super) fn get<'r, T>(row: &'r PgRow, column: &'static str) -> Result<T, BackendError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(|error: Error| BackendError::failed(error))
}

/// A row as a session.
pub(super) fn decode(row: &PgRow, lease: Lease, ownership: bool) -> Result<Loaded, BackendError> {
    let damaged = |column| BackendError::failed(Damaged(column));
    let lasting: &[u8] = get(row, "lasting")?;
    let mut attributes: Attributes = serde_json::from_slice(lasting).map_err(|_| damaged("lasting"))?;
    let expiry: &[u8] = get(row, "expiry")?;
    if !expiry.is_empty() {
        attributes.expiry = Some(serde_json::from_slice(expiry).map_err(|_| damaged("expiry"))?);
    }
    attributes.provisional = get(row, "provisional")?;
    if ownership {
        let (owner, label) = (text(get(row, "owner")?), text(get(row, "label")?));
        let changes =
            OwnershipChanges { owner: Some(owner.map(Arc::from)), label: Some(label.map(Arc::from)) };
        attributes.ownership = changes.apply(None);
    }
    let expires = moment(get(row, "expires")?).ok_or_else(|| damaged("expires"))?;
    let mut loaded = Loaded::new(attributes, expires);
    loaded.lease = lease;
    let keys: Option<Vec<Vec<u8>>> = get(row, "keys")?;
    let values: Option<Vec<Vec<u8>>> = get(row, "vals")?;
    for (key, json) in keys.unwrap_or_default().into_iter().zip(values.unwrap_or_default()) {
        let key = String::from_utf8(key).map_err(|_| damaged("key"))?;
        let value = serde_json::from_slice(&json).map_err(|_| BackendError::NotJson(key.clone()))?;
        loaded.values.push((Cow::Owned(key), StoredValue::new(value)));
    }
    Ok(loaded)
}

fn text(bytes: Option<Vec<u8>>) -> Option<String> {
    bytes.and_then(|bytes| String::from_utf8(bytes).ok())
}
