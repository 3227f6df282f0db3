//! What belongs to a session itself, beside the values under its keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::Expiry;

use super::{
    id::SessionId,
    ownership::{Ownership, OwnershipChanges},
};
use crate::clock;

/// What the runtime keeps about a session, beside its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attributes {
    /// The public key, for rooms and logs: stays when the id changes.
    pub key: Arc<str>,
    /// When the session began.
    #[serde(with = "nanoseconds")]
    pub created: OffsetDateTime,
    /// The session's own expiry, if it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// Begun by a handshake, and nothing written yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// Whose it is, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Arc<Ownership>>,
}

/// What a commit changes of [`Attributes`]: what it does not name stays as it is stored. It never makes a session
/// provisional again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeChanges {
    /// Another [`Attributes::expiry`]. The outer `Option`: whether it changes at all.
    #[allow(clippy::option_option, reason = "no expiry of its own is one to change to")]
    pub expiry: Option<Option<Expiry>>,
    /// Something is written: the session is [provisional](Attributes::provisional) no more.
    pub written: bool,
    /// Another owner or label. Boxed: few commits have one.
    pub ownership: Option<Box<OwnershipChanges>>,
}

impl AttributeChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes what is stored.
    pub fn apply(&self, attributes: &mut Attributes) {
        if let Some(expiry) = self.expiry {
            attributes.expiry = expiry;
        }
        if self.written {
            attributes.provisional = false;
        }
        if let Some(changes) = &self.ownership {
            attributes.ownership = changes.apply(attributes.ownership.as_ref());
        }
    }
}

/// A new moment of expiry, and what it was reckoned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expires {
    /// The moment.
    pub at: OffsetDateTime,
    /// The [`Attributes::expiry`] from which it was reckoned.
    pub expiry: Option<Expiry>,
    /// Whether it was reckoned for a [provisional](Attributes::provisional) session.
    pub provisional: bool,
}

impl Expires {
    /// Reckoned from these: those that the session has after the commit.
    pub fn reckoned(at: OffsetDateTime, from: &Attributes) -> Self {
        Self { at, expiry: from.expiry, provisional: from.provisional }
    }

    /// The moment, if it was reckoned from what is there now. If it was not, somebody changed that meanwhile, and wrote
    /// the moment that is right.
    pub fn beside(&self, now: &Attributes) -> Option<OffsetDateTime> {
        (self.expiry == now.expiry && self.provisional == now.provisional).then_some(self.at)
    }
}

impl Attributes {
    /// Of a session that begins now.
    pub fn new(id: SessionId) -> Self {
        let (key, created) = (id.public_key().into(), clock::now());
        Self { key, created, expiry: None, provisional: false, ownership: None }
    }

    /// Its owner.
    pub fn owner(&self) -> Option<&str> {
        self.ownership.as_ref()?.owner.as_deref()
    }

    /// Its label.
    pub fn label(&self) -> Option<&str> {
        self.ownership.as_ref()?.label.as_deref()
    }
}

/// A moment as one number, in nanoseconds since 1970: each load and each save copies it.
pub(crate) mod nanoseconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use time::OffsetDateTime;

    pub(crate) fn serialize<S: Serializer>(
        moment: &OffsetDateTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // As far as the year 2262.
        serializer.serialize_i64(i64::try_from(moment.unix_timestamp_nanos()).unwrap_or(i64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OffsetDateTime, D::Error> {
        let nanoseconds = i64::deserialize(deserializer)?;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into()).map_err(D::Error::custom)
    }
}
