//! How sessions ended lately, so that who still uses one is told why.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    error::ErrorKind,
    session::id::{BySession, HiddenId, SessionId},
};

/// How long an id that ended or changed is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(30);

/// How an id ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The session was ended: by a logout.
    Ended,
    /// The session expired, or is gone without a word.
    Expired,
    /// The session goes on under another id, which nobody is told.
    IdChanged,
    /// The session was ended by somebody else than its own page: by [`Sessions`](crate::Sessions).
    Revoked,
}

impl Ending {
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Ended | Self::Expired | Self::Revoked => ErrorKind::SessionEnded,
            Self::IdChanged => ErrorKind::IdChanged,
        }
    }

    /// The reason that a socket's client is told by `session_ended`: `logout`, `expired`, `id_changed` or `ended`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Ended => "logout",
            Self::Expired => "expired",
            Self::IdChanged => "id_changed",
            Self::Revoked => "ended",
        }
    }
}

#[derive(Default)]
pub(super) struct Endings {
    here: Mutex<Here>,
    /// Those that ended on any node, by what stands for the id in the messages of nodes.
    on_any_node: Mutex<Recent<HiddenId>>,
}

#[derive(Default)]
struct Here {
    ended: Recent<SessionId>,
    /// What is about to end, but may not.
    announced: BySession<Vec<(Instant, Ending)>>,
}

impl Endings {
    /// How an id ended, and when that was heard of. What is only announced counts where nothing else is known; that an id
    /// is about to change counts before that it is about to end, for then its session may live on.
    pub(super) fn of(&self, id: SessionId) -> Option<(Instant, Ending)> {
        let announced = {
            let mut here = self.here.lock();
            if let Some(ended) = here.ended.get(&id) {
                return Some(ended);
            }
            let announced = here.announced.get(&id).map_or(&[][..], |announced| announced);
            let change = announced.iter().find(|(_, ending)| *ending == Ending::IdChanged);
            change.or(announced.first()).copied()
        };
        let on_any_node = {
            let mut on_any_node = self.on_any_node.lock();
            if on_any_node.endings.is_empty() { None } else { on_any_node.get(&id.hidden()) }
        };
        on_any_node.or(announced)
    }

    /// How the session ended for which this stands.
    pub(super) fn on_any_node(&self, hidden: HiddenId) -> Option<Ending> {
        self.on_any_node.lock().get(&hidden).map(|(_, ending)| ending)
    }

    /// Whether an id is about to end, or to change, and has not yet.
    pub(super) fn is_announced(&self, id: SessionId) -> bool {
        let mut here = self.here.lock();
        here.announced.contains_key(&id) && here.ended.get(&id).is_none()
    }

    pub(super) fn announce(&self, id: SessionId, ending: Ending) {
        self.here.lock().announced.entry(id).or_default().push((Instant::now(), ending));
    }

    /// One of those who announced this does so no more.
    pub(super) fn take_back(&self, id: SessionId, ending: Ending) {
        if let Entry::Occupied(mut entry) = self.here.lock().announced.entry(id) {
            let announced = entry.get_mut();
            if let Some(at) = announced.iter().position(|(_, other)| *other == ending) {
                announced.remove(at);
            }
            if announced.is_empty() {
                entry.remove();
            }
        }
    }

    /// Gives whether that is news.
    pub(super) fn insert(&self, id: SessionId, ending: Ending) -> bool {
        self.here.lock().ended.insert(id, ending)
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

    /// The first one stays: an id ends once. Gives whether this is it.
    fn insert(&mut self, key: K, ending: Ending) -> bool {
        self.forget_old();
        let at = Instant::now();
        let is_first = !self.endings.contains_key(&key);
        if is_first {
            self.endings.insert(key.clone(), (at, ending));
            self.order.push_back((at, key));
        }
        is_first
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_true_counts_and_not_what_was_announced_first() {
        for (first, second) in [(Ending::Ended, Ending::IdChanged), (Ending::IdChanged, Ending::Ended)] {
            let (endings, id) = (Endings::default(), SessionId::random());
            let of = || endings.of(id).map(|(_, ending)| ending);
            endings.announce(id, first);
            endings.announce(id, second);
            assert_eq!(of(), Some(Ending::IdChanged));
            endings.insert(id, second);
            for taken_back in [first, second] {
                endings.take_back(id, taken_back);
                assert_eq!(of(), Some(second));
            }
            assert!(endings.here.lock().announced.is_empty());
        }
    }

    #[test]
    fn what_is_announced_hides_nothing_that_another_node_told() {
        let (endings, id) = (Endings::default(), SessionId::random());
        endings.announce(id, Ending::Ended);
        endings.insert_on_any_node(id.hidden(), Ending::IdChanged);
        assert_eq!(endings.of(id).map(|(_, ending)| ending), Some(Ending::IdChanged));
    }

    #[test]
    fn what_is_taken_back_is_as_if_it_had_not_been_announced() {
        let (endings, id) = (Endings::default(), SessionId::random());
        for _ in 0..2 {
            endings.announce(id, Ending::Ended);
        }
        endings.take_back(id, Ending::Ended);
        assert!(endings.of(id).is_some());
        endings.take_back(id, Ending::Ended);
        assert!(endings.of(id).is_none());
    }
}
