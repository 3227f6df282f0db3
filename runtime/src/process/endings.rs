//! How sessions ended lately, so that who still uses one is told why.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

use crate::error::ErrorKind;

/// How long an id that ended or changed is remembered, so that who still uses it is told why.
pub(crate) const RECENT: Duration = Duration::from_secs(30);

/// How an id ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Ended,
    Changed,
}

impl Ending {
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Ended => ErrorKind::SessionEnded,
            Self::Changed => ErrorKind::IdChanged,
        }
    }
}

/// Endings, each remembered for [`RECENT`].
pub(crate) struct Recent<K> {
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
    pub(crate) fn get(&mut self, key: &K) -> Option<(Instant, Ending)> {
        self.forget_old();
        self.endings.get(key).copied()
    }

    #[cfg(feature = "redis")]
    pub(crate) fn is_empty(&self) -> bool {
        self.endings.is_empty()
    }

    /// Whether it was new.
    pub(crate) fn insert(&mut self, key: K, ending: Ending) -> bool {
        self.forget_old();
        let at = Instant::now();
        let new = !self.endings.contains_key(&key);
        if new {
            self.endings.insert(key.clone(), (at, ending));
            self.order.push_back((at, key));
        }
        new
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.endings.remove(key);
    }

    fn forget_old(&mut self) {
        while let Some((at, key)) = self.order.front()
            && at.elapsed() > RECENT
        {
            if self.endings.get(key).is_some_and(|(first, _)| first == at) {
                self.endings.remove(key);
            }
            self.order.pop_front();
        }
    }
}
