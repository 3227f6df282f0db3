//! The sessions in memory by their keys and by their owners. What is found here is looked at again: a session may end, or
//! change, while it is looked for.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use time::OffsetDateTime;

use super::{Record, Sessions};
use crate::{
    backend::{Answer, Attributes, BackendError, Owned, Owners},
    clock,
    session::{id::SessionId, key::SessionKey},
};

#[derive(Default)]
pub(super) struct Index(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_key: HashMap<Arc<str>, SessionId>,
    by_owner: HashMap<Arc<str>, OfOwner>,
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
        let mut inner = self.0.lock();
        inner.by_key.insert(Arc::clone(&attributes.key), id);
        inner.own(attributes);
    }

    /// A session has been given an owner, perhaps the same one anew, or none.
    pub(super) fn change_owner(&self, before: &Attributes, after: &Attributes) {
        let mut inner = self.0.lock();
        inner.disown(before);
        inner.own(after);
    }

    /// A session is gone that had this id.
    pub(super) fn remove(&self, id: SessionId, record: &Record) {
        let mut inner = self.0.lock();
        // It may live on under another one.
        if inner.by_key.get(&record.attributes.key) == Some(&id) {
            inner.by_key.remove(&record.attributes.key);
            inner.disown(&record.attributes);
        }
    }
}

impl Inner {
    fn own(&mut self, attributes: &Attributes) {
        if let Some(owner) = attributes.ownership.as_ref().and_then(|ownership| ownership.owner.as_ref()) {
            self.by_owner.entry(Arc::clone(owner)).or_default().add(&attributes.key);
        }
    }

    fn disown(&mut self, attributes: &Attributes) {
        let Some(owner) = attributes.owner() else { return };
        if let Some(of_owner) = self.by_owner.get_mut(owner) {
            of_owner.remove(&attributes.key);
            if of_owner.since.is_empty() {
                self.by_owner.remove(owner);
            }
        }
    }
}

impl Owners for Sessions {
    fn find(&self, key: &SessionKey) -> Answer<Result<Option<SessionId>, BackendError>> {
        Answer::Ready(Ok(self.index.0.lock().by_key.get(key.as_ref()).copied()))
    }

    fn owned_by(&self, owner: &str, skip: usize, most: usize) -> Answer<Result<Vec<Owned>, BackendError>> {
        let inner = self.index.0.lock();
        let in_order = inner.by_owner.get(owner).into_iter().flat_map(|of| of.in_order.iter().rev());
        let found = in_order.skip(skip).take(most);
        let found = found.map(|(since, key)| Owned { key: Arc::clone(key).into(), since: *since });
        Answer::Ready(Ok(found.collect()))
    }
}
