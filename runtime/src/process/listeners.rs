//! Who in this process wants to hear when states of a session have changed, and what they are told.

use std::{
    borrow::Cow,
    collections::hash_map::Entry,
    ptr,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::session::id::{BySession, SessionId};

/// What has changed in a session, as far as is known.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// What is stored under these keys.
    Keys(SmallVec<[ChangedKey; 1]>),
    /// Perhaps something.
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) struct ChangedKey {
    pub(crate) key: Cow<'static, str>,
    /// What it is to who sends it to clients. `None`: nothing has changed that they are sent.
    pub(crate) concern: Option<Concern>,
}

/// Whether something has changed that clients are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Concern {
    Perhaps,
    Surely,
}

impl News {
    /// What they are to who sends what is under this key.
    pub(crate) fn of(&self, key: &str) -> Option<Concern> {
        match self {
            Self::Keys(keys) => keys.iter().find(|changed| changed.key == key)?.concern,
            Self::Unknown => Some(Concern::Perhaps),
        }
    }
}

/// Who wants to hear of a session's states.
pub(crate) trait Listener: Send + Sync {
    /// Something has been committed. It reads what there is now, whenever it likes.
    fn hears(self: Arc<Self>, news: &News);
    /// The session has ended, or goes on under an id that is not for this one.
    fn hears_no_more(self: Arc<Self>);
}

/// The listeners in this process, by session.
#[derive(Default)]
pub(crate) struct Listeners {
    /// So that where there are none, a commit costs one look.
    count: AtomicUsize,
    by_session: Mutex<BySession<Vec<Weak<dyn Listener>>>>,
}

impl Listeners {
    /// Whether there are any.
    #[inline]
    pub(crate) fn are_there(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// From now on this one hears of each commit, until it is [removed](Self::remove).
    pub(crate) fn add(&self, id: SessionId, listener: Weak<dyn Listener>) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.by_session.lock().entry(id).or_default().push(listener);
    }

    /// Removes the listener that is at this address.
    pub(crate) fn remove(&self, id: SessionId, listener: *const ()) {
        if let Entry::Occupied(mut entry) = self.by_session.lock().entry(id) {
            let listeners = entry.get_mut();
            let before = listeners.len();
            listeners.retain(|known| !ptr::addr_eq(known.as_ptr(), listener));
            self.count.fetch_sub(before - listeners.len(), Ordering::AcqRel);
            if listeners.is_empty() {
                entry.remove();
            }
        }
    }

    /// Tells all who listen to a session.
    pub(crate) fn tell(&self, id: SessionId, news: &News) {
        for listener in self.of(id) {
            listener.hears(news);
        }
    }

    /// A session has ended, or has another id from now on.
    pub(super) fn end(&self, id: SessionId) {
        if self.are_there() {
            let ended = self.by_session.lock().remove(&id).unwrap_or_default();
            self.count.fetch_sub(ended.len(), Ordering::AcqRel);
            for listener in ended.iter().filter_map(Weak::upgrade) {
                listener.hears_no_more();
            }
        }
    }

    /// Outside of the lock: who hears may drop the last hold on another one.
    fn of(&self, id: SessionId) -> SmallVec<[Arc<dyn Listener>; 4]> {
        let by_session = self.by_session.lock();
        by_session.get(&id).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }
}
