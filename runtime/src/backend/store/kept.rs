//! Sessions as the store has them: where nobody else writes to it, what was loaded or saved once need not be loaded again.
//!
//! A load keeps what it has found only if no commit of the session began since it did. A commit keeps what it has saved only
//! if no other one began; where one did, nothing is kept once both have ended. So what is kept is what the store has, whichever
//! of them is slow, fails or is given up.

use std::{borrow::Cow, mem, time::Duration};

use parking_lot::Mutex;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::Record;

use super::attributes::ATTRIBUTES_KEY;
use crate::{
    backend::{Attributes, Keys, Lease, Load, Loaded},
    clock,
    session::{
        id::{BySession, SessionId},
        value::StoredValue,
    },
};

/// Of so many sessions at most.
const MOST: usize = 1024;

/// So long before it expires a session is asked for again: some stores drop it by themselves, by a coarser clock.
const NEAR_ITS_END: Duration = Duration::from_secs(2);

/// Nothing is kept where others may write.
#[derive(Default)]
pub(super) struct KeptSessions(Option<Mutex<Table>>);

#[derive(Default)]
struct Table {
    sessions: BySession<Entry>,
    kept: usize,
    /// How many loads and commits have begun.
    begun: u64,
}

enum Entry {
    Kept(Box<Kept>),
    /// The load, or the commit, of this number is under way.
    Underway(u64),
}

/// A session, whose values are shared with the calls that have it.
pub(super) struct Kept {
    attributes: Attributes,
    /// The same as the record has them.
    stored_attributes: Value,
    values: Vec<(Cow<'static, str>, StoredValue)>,
    expiry_date: OffsetDateTime,
}

/// A load, or a commit, that is under way. Dropped without having kept anything, it leaves nothing.
pub(super) struct Underway<'a> {
    sessions: &'a KeptSessions,
    id: SessionId,
    number: Option<u64>,
    writes: bool,
}

impl KeptSessions {
    pub(super) fn of_an_exclusive_store() -> Self {
        Self(Some(Mutex::default()))
    }

    /// What a load asks for, if the session is kept.
    pub(super) fn get(&self, id: SessionId, load: Load) -> Option<Loaded> {
        let table = self.0.as_ref()?.lock();
        let Some(Entry::Kept(kept)) = table.sessions.get(&id) else { return None };
        kept.lives_on().then(|| kept.loaded(load))
    }

    /// Begins to load a session. Beside a commit, or another load, it will keep nothing.
    pub(super) fn begin_load(&self, id: SessionId) -> Underway<'_> {
        let number = self.0.as_ref().and_then(|table| {
            let mut table = table.lock();
            if table.sessions.contains_key(&id) { None } else { Some(table.begin(id)) }
        });
        Underway { sessions: self, id, number, writes: false }
    }

    /// Begins to write to a session. What was kept of it is the commit's alone.
    pub(super) fn begin_write(&self, id: SessionId) -> (Underway<'_>, Option<Box<Kept>>) {
        let begun = self.0.as_ref().map(|table| {
            let mut table = table.lock();
            let kept = table.take(id).filter(|kept| kept.lives_on());
            (table.begin(id), kept)
        });
        let (number, kept) = begun.unzip();
        (Underway { sessions: self, id, number, writes: true }, kept.flatten())
    }
}

impl Table {
    fn take(&mut self, id: SessionId) -> Option<Box<Kept>> {
        let Some(Entry::Kept(kept)) = self.sessions.remove(&id) else { return None };
        self.kept -= 1;
        Some(kept)
    }

    fn is_underway(&self, id: SessionId, number: u64) -> bool {
        matches!(self.sessions.get(&id), Some(Entry::Underway(underway)) if *underway == number)
    }

    fn begin(&mut self, id: SessionId) -> u64 {
        self.begun += 1;
        self.sessions.insert(id, Entry::Underway(self.begun));
        self.begun
    }

    /// Makes room for one more, all at once: whoever comes back is loaded anew.
    fn make_room(&mut self) {
        if self.kept >= MOST {
            self.sessions.retain(|_, entry| matches!(entry, Entry::Underway(_)));
            self.kept = 0;
        }
    }
}

impl Underway<'_> {
    /// Gives what a load asks for, of the record that was found, and keeps it.
    pub(super) fn found(self, attributes: Attributes, record: Record, load: Load) -> Loaded {
        if self.number.is_none() {
            return loaded(attributes, record, load);
        }
        let kept = Kept::of(attributes, record);
        let loaded = kept.loaded(load);
        self.keep(kept);
        loaded
    }

    /// Keeps the record that was saved.
    pub(super) fn saved(self, attributes: Attributes, record: Record) {
        if self.number.is_some() {
            let kept = Kept::of(attributes, record);
            self.keep(kept);
        }
    }

    fn keep(mut self, kept: Box<Kept>) {
        let (Some(table), Some(number)) = (&self.sessions.0, self.number) else { return };
        let mut table = table.lock();
        if table.is_underway(self.id, number) {
            table.make_room();
            table.sessions.insert(self.id, Entry::Kept(kept));
            table.kept += 1;
            // It is under way no more.
            self.number = None;
        }
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let (Some(table), Some(number)) = (&self.sessions.0, self.number) else { return };
        let mut table = table.lock();
        // What another one has left beside a write may be from before it.
        if self.writes || table.is_underway(self.id, number) {
            table.take(self.id);
        }
    }
}

impl Kept {
    fn of(attributes: Attributes, mut record: Record) -> Box<Self> {
        let stored_attributes = record.data.remove(ATTRIBUTES_KEY).unwrap_or_default();
        let values = mem::take(&mut record.data).into_iter();
        let values = values.map(|(key, value)| (Cow::Owned(key), StoredValue::new(value))).collect();
        Box::new(Self { attributes, stored_attributes, values, expiry_date: record.expiry_date })
    }

    fn lives_on(&self) -> bool {
        self.expiry_date > clock::now() + NEAR_ITS_END
    }

    fn loaded(&self, load: Load) -> Loaded {
        let value =
            |key| self.values.iter().find(|(stored, _)| stored == key).map(|(_, value)| value.clone());
        let values = match load.keys {
            Keys::Only(keys) => {
                keys.iter().filter_map(|key| Some((Cow::Borrowed(*key), value(key)?))).collect()
            }
            Keys::All => self.values.iter().cloned().collect(),
        };
        Loaded {
            attributes: self.attributes.clone(),
            expires: self.expiry_date,
            values,
            lease: Lease::default(),
        }
    }

    /// The record that it was, with its attributes.
    pub(super) fn into_record(self, id: SessionId) -> (Record, Attributes) {
        let values = self.values.into_iter().map(|(key, value)| (key.into_owned(), value.into_json()));
        let data = values.chain([(ATTRIBUTES_KEY.to_owned(), self.stored_attributes)]).collect();
        (Record { id: id.expose(), data, expiry_date: self.expiry_date }, self.attributes)
    }
}

/// What a load asks for, of a record with these attributes.
pub(super) fn loaded(attributes: Attributes, record: Record, load: Load) -> Loaded {
    let wanted = |key: &str| key != ATTRIBUTES_KEY && load.keys.want(key);
    let values = record.data.into_iter().filter(|(key, _)| wanted(key));
    let values = values.map(|(key, value)| (Cow::Owned(key), StoredValue::new(value))).collect();
    Loaded { attributes, expires: record.expiry_date, values, lease: Lease::default() }
}
