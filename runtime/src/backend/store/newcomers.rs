//! Sessions that this crate did not write, while the store has not taken down what they were given at their first load.

use parking_lot::Mutex;
use time::OffsetDateTime;
use tower_sessions::{session::Record, session_store};

use crate::{
    backend::Attributes,
    clock,
    log_limit::LogLimit,
    session::id::{BySession, SessionId},
};

/// What each was given, and when it expires.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    known: Mutex<BySession<(Attributes, OffsetDateTime)>>,
    log: LogLimit,
}

impl Newcomers {
    /// Those of a session that was seen before, or that begins now.
    pub(super) fn attributes_of(&self, record: &Record) -> Attributes {
        let id = SessionId::from(record.id);
        let known = self.known.lock().get(&id).map(|(attributes, _)| attributes.clone());
        known.unwrap_or_else(|| Attributes::new(id))
    }

    /// The same, from now on for all who ask.
    pub(super) fn remember(&self, record: &Record) -> Attributes {
        let id = SessionId::from(record.id);
        let mut known = self.known.lock();
        // Not more than live in the store.
        if known.len() == known.capacity() {
            let now = clock::now();
            known.retain(|_, (_, expires)| *expires > now);
        }
        let (attributes, _) = known.entry(id).or_insert_with(|| (Attributes::new(id), record.expiry_date));
        attributes.clone()
    }

    /// The store has taken it down.
    pub(super) fn forget(&self, id: SessionId) {
        self.known.lock().remove(&id);
    }

    pub(super) fn log(&self, error: &session_store::Error) {
        self.log.log(|left_out| {
            tracing::warn!(
                %error,
                left_out,
                "the store does not take down when a session began that tower-sessions' layer wrote: this process \
                 remembers it"
            );
        });
    }
}
