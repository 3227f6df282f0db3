//! The read cache: sessions that were read lately, decoded. Values are read and their changes are heard on one
//! connection, in Redis's order; a change, or the loss of that connection, takes the session out.
//!
//! What is kept was read on the link's present connection, nothing was heard of its session since it was asked for, and
//! it is given only while that connection is known to live. So a read sees at least what this process saw before: its
//! own commits, and all that any earlier answer on the connection told.

use std::{
    borrow::Cow,
    collections::HashMap,
    mem,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use redis::Value;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use crate::{
    backend::{
        Attributes, Keys, Lease, Loaded, StoredValue, Values,
        redis::wire::{Wire, source::Connection, tracking::Tracker},
    },
    clock::Now,
    session::id::{HiddenId, SessionId},
};

/// How long the connection is trusted after something was sent on it that was answered: by then every earlier change
/// has been heard.
const TRUSTED: Duration = Duration::from_secs(2);

/// How often something is sent.
const BEAT: Duration = Duration::from_millis(500);

/// Handlers of different sessions seldom meet at one mutex of so many.
const SHARDS: usize = 64;

/// Sessions that were read, up to a number of them.
pub(crate) struct Cache {
    shards: Box<[Mutex<Shard>]>,
}

/// A part of the cache. When `young` is full it becomes `old`, and what nobody asked for while it was `old` goes.
struct Shard {
    young: HashMap<HiddenId, Slot>,
    old: HashMap<HiddenId, Slot>,
    /// How many are young at most.
    half: usize,
    /// The number of the connection on which changes are heard; 0 without one.
    connection: u64,
    /// When that was sent on it which was answered last.
    heard: Instant,
    last_mark: u64,
}

/// That a session is being read, or what was read: there since before it was asked for, and gone with any news of it.
struct Slot {
    mark: Mark,
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

/// What is known of a session.
struct Known {
    attributes: Attributes,
    expires: OffsetDateTime,
    /// `None` where nothing is stored under a key.
    values: Vec<(Cow<'static, str>, Option<StoredValue>)>,
    /// Under other keys there is nothing.
    complete: bool,
}

impl Cache {
    /// Of at least two sessions.
    pub(crate) fn new(capacity: usize) -> Self {
        let shards = (capacity / 2).clamp(1, SHARDS);
        let half = (capacity / shards / 2).max(1);
        let shard = || {
            let (young, old) = Default::default();
            Mutex::new(Shard { young, old, half, connection: 0, heard: Instant::now(), last_mark: 0 })
        };
        Self { shards: (0..shards).map(|_| shard()).collect() }
    }

    fn shard(&self, hidden: &HiddenId) -> &Mutex<Shard> {
        &self.shards[usize::from(hidden.as_bytes()[0]) % self.shards.len()]
    }

    /// What is known of a session, if it is all that is wanted. A load of no key is no read: it asks whether the
    /// session lives, which only Redis knows.
    pub(crate) fn get(&self, id: SessionId, wanted: Keys) -> Option<Loaded> {
        if matches!(wanted, Keys::Only([])) {
            return None;
        }
        let hidden = id.hidden();
        let mut shard = self.shard(&hidden).lock();
        let now = Now::read();
        if shard.connection == 0 || now.instant.duration_since(shard.heard) >= TRUSTED {
            return None;
        }
        if let Some(slot) = shard.young.get(&hidden) {
            return slot.loaded(wanted, now);
        }
        shard.make_young(&hidden)?.loaded(wanted, now)
    }

    /// To be taken before a session is asked for on this connection. `None` if nothing would be heard of it.
    pub(crate) fn mark(&self, id: SessionId, connection: u64) -> Option<Mark> {
        let hidden = id.hidden();
        let mut shard = self.shard(&hidden).lock();
        if shard.connection != connection {
            return None;
        }
        // Nothing was heard since it was made, so it is as good for whoever asks now.
        if let Some(slot) = shard.make_young(&hidden) {
            return Some(slot.mark);
        }
        shard.last_mark += 1;
        let mark = Mark(shard.last_mark);
        shard.put(hidden, Slot { mark, known: None });
        Some(mark)
    }

    /// Keeps what was read, unless something was heard of the session since the mark was made.
    pub(crate) fn keep(&self, id: SessionId, mark: Mark, wanted: Keys, loaded: &Loaded) {
        let hidden = id.hidden();
        let mut shard = self.shard(&hidden).lock();
        if let Some(slot) = shard.make_young(&hidden).filter(|slot| slot.mark == mark) {
            let known = slot.known.get_or_insert_with(|| Known::new(loaded));
            known.learn(wanted, loaded);
        }
    }

    /// A session changed, or may have: nothing that was asked for before this is kept.
    pub(crate) fn forget(&self, hidden: &HiddenId) {
        let mut shard = self.shard(hidden).lock();
        shard.young.remove(hidden);
        shard.old.remove(hidden);
    }

    /// What was sent then has been answered.
    fn heard(&self, connection: u64, sent: Instant) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.connection == connection {
                shard.heard = shard.heard.max(sent);
            }
        }
    }
}

impl Tracker for Cache {
    /// From now on, sessions are read on this connection.
    fn begin(&self, connection: u64, sent: Instant) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.clear();
            (shard.connection, shard.heard) = (connection, sent);
        }
    }

    fn changed(&self, keys: Option<&[Value]>) {
        match keys {
            Some(keys) => keys.iter().filter_map(session_of).for_each(|hidden| self.forget(&hidden)),
            None => self.shards.iter().for_each(|shard| shard.lock().clear()),
        }
    }

    fn end(&self, connection: u64) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.connection == connection {
                shard.clear();
                shard.connection = 0;
            }
        }
    }
}

impl Shard {
    fn make_young(&mut self, hidden: &HiddenId) -> Option<&mut Slot> {
        if let Some(slot) = self.old.remove(hidden) {
            self.put(*hidden, slot);
        }
        self.young.get_mut(hidden)
    }

    fn put(&mut self, hidden: HiddenId, slot: Slot) {
        if self.young.len() >= self.half {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(hidden, slot);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

impl Slot {
    fn loaded(&self, wanted: Keys, now: Now) -> Option<Loaded> {
        let known = self.known.as_ref()?;
        if known.expires > now.wall { known.loaded(wanted) } else { None }
    }
}

impl Known {
    fn new(loaded: &Loaded) -> Self {
        let (attributes, expires) = (loaded.attributes.clone(), loaded.expires);
        Self { attributes, expires, values: Vec::new(), complete: false }
    }

    fn knows(&self, key: &str) -> bool {
        self.complete || self.values.iter().any(|(known, _)| known == key)
    }

    /// What is known already stays, for it may be decoded.
    fn learn(&mut self, wanted: Keys, loaded: &Loaded) {
        for (key, value) in &loaded.values {
            if !self.knows(key) {
                self.values.push((key.clone(), Some(value.clone())));
            }
        }
        match wanted {
            Keys::All => self.complete = true,
            Keys::Only(keys) => {
                for key in keys {
                    if !self.knows(key) {
                        self.values.push((Cow::Borrowed(key), None));
                    }
                }
            }
        }
    }

    fn loaded(&self, wanted: Keys) -> Option<Loaded> {
        let mut values = Values::new();
        match wanted {
            Keys::Only(keys) => {
                for key in keys {
                    match self.values.iter().find(|(known, _)| known == key) {
                        Some((_, value)) => {
                            values.extend(value.clone().map(|value| (Cow::Borrowed(*key), value)));
                        }
                        None if self.complete => {}
                        None => return None,
                    }
                }
            }
            Keys::All if self.complete => {
                let stored =
                    self.values.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
                values.extend(stored);
            }
            Keys::All => return None,
        }
        Some(Loaded {
            attributes: self.attributes.clone(),
            expires: self.expires,
            values,
            lease: Lease::default(),
        })
    }
}

/// What stands for the id in the name of a record: what its braces hold.
fn session_of(key: &Value) -> Option<HiddenId> {
    let Value::BulkString(key) = key else { return None };
    let at = key.iter().rposition(|byte| *byte == b'{')?;
    HiddenId::parse(key[at + 1..].strip_suffix(b"}")?)
}

/// Asks all the time whether the connection lives, until the backend is gone.
pub(crate) async fn keep_trusted(cache: Arc<Cache>, wire: Weak<Wire>) {
    while let Some(wire) = wire.upgrade() {
        let ping = |mut connection: Connection, _| async move {
            let sent = Instant::now();
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            Ok((connection.tracked(), sent))
        };
        if let Ok((Some(number), sent)) = wire.link.call(ping).await {
            cache.heard(number, sent);
        }
        drop(wire);
        sleep(BEAT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(capacity: usize) -> Cache {
        let cache = Cache::new(capacity);
        cache.begin(1, Instant::now());
        cache
    }

    fn loaded(id: SessionId) -> Loaded {
        let expires = Now::read().wall + Duration::from_mins(1);
        let values = Values::from_iter([("a".into(), StoredValue::new(1.into()))]);
        Loaded { attributes: Attributes::new(id), expires, values, lease: Lease::default() }
    }

    const A: Keys = Keys::Only(&["a"]);

    #[test]
    fn what_changed_while_it_was_read_is_not_kept() {
        let (cache, id) = (cache(100), SessionId::random());
        let mark = cache.mark(id, 1).unwrap();
        cache.forget(&id.hidden());
        let next = cache.mark(id, 1).unwrap();
        cache.keep(id, mark, A, &loaded(id));
        assert!(cache.get(id, A).is_none());
        cache.keep(id, next, A, &loaded(id));
        assert!(cache.get(id, A).is_some());
        // What was not asked for is not known.
        assert!(cache.get(id, Keys::Only(&["b"])).is_none());
        assert!(cache.get(id, Keys::All).is_none());
        cache.keep(id, next, Keys::All, &loaded(id));
        assert!(cache.get(id, Keys::Only(&["b"])).unwrap().values.is_empty());
    }

    #[test]
    fn nothing_outlives_its_connection() {
        let (cache, id) = (cache(100), SessionId::random());
        let mark = cache.mark(id, 1).unwrap();
        cache.keep(id, mark, A, &loaded(id));
        cache.begin(2, Instant::now());
        assert!(cache.get(id, A).is_none());
        assert!(cache.mark(id, 1).is_none());
        let next = cache.mark(id, 2).unwrap();
        cache.keep(id, mark, A, &loaded(id));
        cache.end(1);
        assert!(cache.get(id, A).is_none());
        cache.keep(id, next, A, &loaded(id));
        assert!(cache.get(id, A).is_some());
        cache.end(2);
        assert!(cache.get(id, A).is_none());
        assert!(cache.mark(id, 2).is_none());
    }

    #[test]
    fn news_name_a_session_by_the_key_of_its_record() {
        let id = SessionId::random();
        let key = format!("app {{}}:{{{}}}", id.hidden());
        assert_eq!(session_of(&Value::BulkString(key.into_bytes())), Some(id.hidden()));
        assert_eq!(session_of(&Value::BulkString(b"{short}".to_vec())), None);
    }
}
