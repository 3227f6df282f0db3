//! The sessions in memory by their keys and by their owners. What is found here is looked at again: a session may end, or
//! change, while it is looked for.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use time::OffsetDateTime;

use super::{Record, SHARDS, Sessions};
use crate::{
    backend::{Answer, Attributes, BackendError, Owned, Owners},
    clock,
    session::{id::SessionId, key::SessionKey},
};

/// An owner's sessions are written under the lock of the session's key.
#[derive(Default)]
pub(super) struct Index {
    by_key: Table<SessionId>,
    by_owner: Table<OfOwner>,
}

/// In parts, each under its own lock, for a part that grows holds up whoever looks into it. Owners are names that users may
/// choose, so the hash is one that cannot be guessed.
struct Table<V> {
    parts: Box<[Mutex<Part<V>>]>,
    hash: RandomState,
}

type Part<V> = HashMap<Arc<str>, V>;

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { parts: (0..SHARDS).map(|_| Mutex::default()).collect(), hash: RandomState::default() }
    }
}

impl<V> Table<V> {
    #[allow(clippy::cast_possible_truncation, reason = "the low bits are as good as any")]
    fn lock(&self, name: &str) -> MutexGuard<'_, Part<V>> {
        self.parts[self.hash.hash_one(name) as usize % SHARDS].lock()
    }
}

/// The sessions of one owner, and since when they are.
#[derive(Default)]
struct OfOwner {
    since: HashMap<Arc<str>, OffsetDateTime>,
    in_order: BTreeSet<(OffsetDateTime, Arc<str>)>,
}

impl OfOwner {
    fn add(&mut self, key: &Arc<str>) {
        if !self.since.contains_key(key) {
            let since = clock::now();
            self.since.insert(Arc::clone(key), since);
            self.in_order.insert((since, Arc::clone(key)));
        }
    }

    fn remove(&mut self, key: &Arc<str>) {
        if let Some(since) = self.since.remove(key) {
            self.in_order.remove(&(since, Arc::clone(key)));
        }
    }
}

impl Index {
    /// A session has this id from now on.
    pub(super) fn put(&self, id: SessionId, attributes: &Attributes) {
        let mut by_key = self.by_key.lock(&attributes.key);
        by_key.insert(Arc::clone(&attributes.key), id);
        self.own(attributes);
    }

    /// A session has been given an owner, perhaps the same one anew, or none.
    pub(super) fn change_owner(&self, before: &Attributes, after: &Attributes) {
        let _key = self.by_key.lock(&after.key);
        if before.owner() == after.owner() {
            self.own_anew(after);
        } else {
            // At no moment it is nobody's: somebody may look for all of an owner's.
            self.own(after);
            self.disown(before);
        }
    }

    /// A session is gone that had this id.
    pub(super) fn remove(&self, id: SessionId, record: &Record) {
        let mut by_key = self.by_key.lock(&record.attributes.key);
        // It may live on under another one.
        if by_key.get(&record.attributes.key) == Some(&id) {
            by_key.remove(&record.attributes.key);
            self.disown(&record.attributes);
        }
    }

    fn own(&self, attributes: &Attributes) {
        if let Some(owner) = owner_of(attributes) {
            self.by_owner.lock(owner).entry(Arc::clone(owner)).or_default().add(&attributes.key);
        }
    }

    fn own_anew(&self, attributes: &Attributes) {
        if let Some(owner) = owner_of(attributes) {
            let mut by_owner = self.by_owner.lock(owner);
            let of_owner = by_owner.entry(Arc::clone(owner)).or_default();
            of_owner.remove(&attributes.key);
            of_owner.add(&attributes.key);
        }
    }

    fn disown(&self, attributes: &Attributes) {
        let Some(owner) = attributes.owner() else { return };
        let mut by_owner = self.by_owner.lock(owner);
        if let Some(of_owner) = by_owner.get_mut(owner) {
            of_owner.remove(&attributes.key);
            if of_owner.since.is_empty() {
                by_owner.remove(owner);
            }
        }
    }
}

fn owner_of(attributes: &Attributes) -> Option<&Arc<str>> {
    attributes.ownership.as_ref().and_then(|ownership| ownership.owner.as_ref())
}

impl Owners for Sessions {
    fn find(&self, key: &SessionKey) -> Answer<Result<Option<SessionId>, BackendError>> {
        Answer::Ready(Ok(self.index.by_key.lock(key.as_ref()).get(key.as_ref()).copied()))
    }

    fn owned_by(&self, owner: &str, skip: usize, most: usize) -> Answer<Result<Vec<Owned>, BackendError>> {
        let by_owner = self.index.by_owner.lock(owner);
        let in_order = by_owner.get(owner).into_iter().flat_map(|of| of.in_order.iter().rev());
        let found = in_order.skip(skip).take(most);
        let found = found.map(|(since, key)| Owned { key: Arc::clone(key).into(), since: *since });
        Answer::Ready(Ok(found.collect()))
    }
}
