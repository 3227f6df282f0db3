//! Records as calls that have a turn loaded them, for the commits of those calls: where nobody else writes to the store,
//! and no commit came in between, they need not be loaded again.

use std::{borrow::Cow, collections::HashMap};

use parking_lot::Mutex;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::Record;

use super::attributes::ATTRIBUTES_KEY;
use crate::session::{id::SessionId, value::StoredValue};

/// Of so many sessions at most. What was loaded for a call that wrote nothing stays until then.
const MOST: usize = 1024;

/// Nothing is kept where others may write.
#[derive(Default)]
pub(super) struct KeptRecords(Option<Mutex<HashMap<SessionId, Kept>>>);

/// A record whose values are shared with the call that loaded them.
struct Kept {
    attributes: Value,
    values: Vec<(Cow<'static, str>, StoredValue)>,
    expiry_date: OffsetDateTime,
}

impl KeptRecords {
    pub(super) fn of_an_exclusive_store() -> Self {
        Self(Some(Mutex::default()))
    }

    pub(super) fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Under the session's lock, so that no commit is under way. Gives the values again.
    pub(super) fn keep(&self, id: SessionId, mut record: Record) -> Vec<(Cow<'static, str>, StoredValue)> {
        let attributes = record.data.remove(ATTRIBUTES_KEY).unwrap_or_default();
        let values = record.data.into_iter().map(|(key, value)| (Cow::Owned(key), StoredValue::new(value)));
        let values: Vec<_> = values.collect();
        if let Some(records) = &self.0 {
            let mut records = records.lock();
            if records.len() >= MOST {
                records.clear();
            }
            records.insert(id, Kept { attributes, values: values.clone(), expiry_date: record.expiry_date });
        }
        values
    }

    /// A commit of the session is about to write, or it ends: what was kept is the commit's alone.
    pub(super) fn take(&self, id: SessionId) -> Option<Record> {
        let Kept { attributes, values, expiry_date } = self.0.as_ref()?.lock().remove(&id)?;
        let values = values.into_iter().map(|(key, value)| (key.into_owned(), value.into_json()));
        let data = values.chain([(ATTRIBUTES_KEY.to_owned(), attributes)]).collect();
        Some(Record { id: id.expose(), data, expiry_date })
    }
}
