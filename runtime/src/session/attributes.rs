//! What belongs to a session itself, beside the values under its keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::Expiry;

use super::id::SessionId;
use crate::clock;

/// What the runtime keeps about a session, beside its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attributes {
    /// The public key, for rooms and logs: stays when the id changes.
    pub key: Arc<str>,
    /// When the session began.
    pub created: OffsetDateTime,
    /// The session's own expiry, if it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// Begun by a handshake, and nothing written yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

impl Attributes {
    /// Of a session that begins now.
    pub fn new(id: SessionId) -> Self {
        Self { key: id.public_key().into(), created: clock::now(), expiry: None, provisional: false }
    }
}
