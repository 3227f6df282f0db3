//! How sessions ended lately, so that who still uses one is told why.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    error::ErrorKind,
    session::id::{HiddenId, SessionId},
};

/// How long an id that ended or changed is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(30);

/// How an id ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The session ended: by a logout, or because it expired.
    Ended,
    /// The session goes on under another id, which nobody is told.
    IdChanged,
}

impl Ending {
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Ended => ErrorKind::SessionEnded,
            Self::IdChanged => ErrorKind::IdChanged,
        }
    }
}

#[derive(Default)]
pub(super) struct Endings {
    here: Mutex<Recent<SessionId>>,
    /// Those that ended on any node, by what stands for the id in the messages of nodes.
    on_any_node: Mutex<Recent<HiddenId>>,
}

impl Endings {
    /// How an id ended, and when that was heard of.
    pub(super) fn of(&self, id: SessionId) -> Option<(Instant, Ending)> {
        let here = self.here.lock().get(&id);
        here.or_else(|| {
            let mut on_any_node = self.on_any_node.lock();
            if on_any_node.endings.is_empty() { None } else { on_any_node.get(&id.hidden()) }
        })
    }

    /// Whether it was new.
    pub(super) fn insert(&self, id: SessionId, ending: Ending) -> bool {
        self.here.lock().insert(id, ending)
    }

    pub(super) fn take_back(&self, id: SessionId) {
        self.here.lock().endings.remove(&id);
    }

    pub(super) fn insert_on_any_node(&self, hidden: HiddenId, ending: Ending) {
        self.on_any_node.lock().insert(hidden, ending);
    }
}

/// Endings, each remembered for [`REMEMBERED`].
struct Recent<K> {
    endings: HashMap<K, (Instant, Ending)>,
    order: VecDeque<(Instant, K)>,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        let (endings, order) = Default::default();
        Self { endings, order }
    }
}

impl<K: Clone + Eq + Hash> Recent<K> {
    fn get(&mut self, key: &K) -> Option<(Instant, Ending)> {
        self.forget_old();
        self.endings.get(key).copied()
    }

    fn insert(&mut self, key: K, ending: Ending) -> bool {
        self.forget_old();
        let at = Instant::now();
        let new = !self.endings.contains_key(&key);
        if new {
            self.endings.insert(key.clone(), (at, ending));
            self.order.push_back((at, key));
        }
        new
    }

    fn forget_old(&mut self) {
        while let Some((at, key)) = self.order.front()
            && at.elapsed() > REMEMBERED
        {
            if self.endings.get(key).is_some_and(|(first, _)| first == at) {
                self.endings.remove(key);
            }
            self.order.pop_front();
        }
    }
}
