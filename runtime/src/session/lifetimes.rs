//! How long sessions live: what the layer was told of it, and the moments that follow.

use std::time::Duration;

use time::OffsetDateTime;
use tower_sessions::Expiry;

use super::attributes::{Attributes, Expires};

/// How long a record lives after its last write where no expiry is set, as in tower-sessions.
pub(crate) const DEFAULT_LIFE: time::Duration = time::Duration::weeks(2);

/// How long a session lives that a handshake began and in which nothing was written yet.
pub(crate) const HANDSHAKE_LIFE: time::Duration = time::Duration::minutes(10);

#[derive(Clone, Debug)]
pub(crate) struct Lifetimes {
    pub(crate) expiry: Option<Expiry>,
    pub(crate) absolute_timeout: Option<Duration>,
    pub(crate) touch_interval: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { expiry: None, absolute_timeout: None, touch_interval: Duration::from_mins(1) }
    }
}

impl Lifetimes {
    /// The expiry that holds for a session: its own, or the layer's.
    pub(crate) fn expiry_of(&self, attributes: &Attributes) -> Option<Expiry> {
        attributes.expiry.or(self.expiry)
    }

    /// When a session that is active at `now` expires.
    fn expires_at(&self, attributes: &Attributes, now: OffsetDateTime) -> OffsetDateTime {
        let mut moment = match self.expiry_of(attributes) {
            Some(Expiry::OnInactivity(life)) => now.saturating_add(life),
            Some(Expiry::AtDateTime(moment)) => moment,
            Some(Expiry::OnSessionEnd) | None => now.saturating_add(DEFAULT_LIFE),
        };
        if attributes.provisional {
            moment = moment.min(now.saturating_add(HANDSHAKE_LIFE));
        }
        self.last_moment(attributes).map_or(moment, |last| moment.min(last))
    }

    /// When a session that is active at `now` expires, and what that was reckoned from.
    pub(crate) fn expires(&self, attributes: &Attributes, now: OffsetDateTime) -> Expires {
        Expires::reckoned(self.expires_at(attributes, now), attributes)
    }

    /// When a session was active that expires then, to the touch interval: as far as its expiry tells.
    pub(crate) fn last_active(&self, attributes: &Attributes, expires: OffsetDateTime) -> OffsetDateTime {
        let life = match self.expiry_of(attributes) {
            _ if attributes.provisional => HANDSHAKE_LIFE,
            Some(Expiry::OnInactivity(life)) => life,
            Some(Expiry::AtDateTime(_)) => return attributes.created,
            Some(Expiry::OnSessionEnd) | None => DEFAULT_LIFE,
        };
        expires.saturating_sub(life).max(attributes.created)
    }

    /// Whether a session ends when nothing happens in it.
    pub(crate) fn ends_by_inactivity(&self, attributes: &Attributes) -> bool {
        matches!(self.expiry_of(attributes), Some(Expiry::OnInactivity(_)))
    }

    /// When the absolute timeout ends a session, however active it is.
    pub(crate) fn last_moment(&self, attributes: &Attributes) -> Option<OffsetDateTime> {
        let timeout = time::Duration::try_from(self.absolute_timeout?).unwrap_or(time::Duration::MAX);
        Some(attributes.created.saturating_add(timeout))
    }

    /// When a session ends that is stored until then: its record may come from before there was an absolute timeout, or
    /// from somebody who has none.
    pub(crate) fn end_of(&self, attributes: &Attributes, stored: OffsetDateTime) -> OffsetDateTime {
        self.last_moment(attributes).map_or(stored, |last| stored.min(last))
    }

    /// The new moment of expiry, if a session's activity now must be written.
    pub(crate) fn touched(
        &self,
        attributes: &Attributes,
        expires: OffsetDateTime,
        now: impl FnOnce() -> OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let counts = self.ends_by_inactivity(attributes) || attributes.provisional;
        if counts { self.renewed(attributes, expires, now()) } else { None }
    }

    /// The new moment of expiry, if it is later by as much as is worth a write.
    pub(crate) fn renewed(
        &self,
        attributes: &Attributes,
        expires: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let life = match self.expiry_of(attributes) {
            Some(Expiry::OnInactivity(life)) => life,
            _ if attributes.provisional => HANDSHAKE_LIFE,
            _ => DEFAULT_LIFE,
        };
        let interval = time::Duration::try_from(self.touch_interval).unwrap_or(life).min(life / 2);
        let renewed = self.expires_at(attributes, now);
        (renewed - expires >= interval).then_some(renewed)
    }
}
