//! Records as calls that have a turn loaded them, for the commits of those calls: where nobody else writes to the store,
//! and no commit came in between, they need not be loaded again.

use std::collections::HashMap;

use parking_lot::Mutex;
use tower_sessions::session::Record;

use crate::session::id::SessionId;

/// Of so many sessions at most. What was loaded for a call that wrote nothing stays until then.
const MOST: usize = 1024;

/// Nothing is kept where others may write.
#[derive(Default)]
pub(super) struct KeptRecords(Option<Mutex<HashMap<SessionId, Record>>>);

impl KeptRecords {
    pub(super) fn of_an_exclusive_store() -> Self {
        Self(Some(Mutex::default()))
    }

    pub(super) fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Under the session's lock, so that no commit is under way.
    pub(super) fn keep(&self, id: SessionId, record: &Record) {
        let Some(records) = &self.0 else { return };
        let mut records = records.lock();
        if records.len() >= MOST {
            records.clear();
        }
        records.insert(id, record.clone());
    }

    /// A commit of the session is about to write, or it ends: what was kept is the commit's alone.
    pub(super) fn take(&self, id: SessionId) -> Option<Record> {
        self.0.as_ref()?.lock().remove(&id)
    }
}
