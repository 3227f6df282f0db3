//! Ids that stand for sessions whose own ids this process does not know, because they were found by their keys. Nobody is
//! shown such an id, and no other process knows it.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use crate::session::id::{BySession, HiddenId, SessionId};

/// So many are remembered; who still has an older one finds its session anew.
const MOST: usize = 100_000;

#[derive(Default)]
pub(crate) struct Aliases {
    /// So that where there are none, a call costs one look.
    any: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: BySession<HiddenId>,
    /// So that those who look for one session get one id, and wait in one queue.
    aliases: HashMap<HiddenId, SessionId>,
    order: VecDeque<SessionId>,
}

impl Aliases {
    /// The id that stands for a session here.
    pub(crate) fn of(&self, hidden: HiddenId) -> SessionId {
        let mut inner = self.inner.lock();
        if let Some(alias) = inner.aliases.get(&hidden) {
            return *alias;
        }
        let alias = SessionId::random();
        inner.sessions.insert(alias, hidden);
        inner.aliases.insert(hidden, alias);
        inner.order.push_back(alias);
        if inner.order.len() > MOST
            && let Some(oldest) = inner.order.pop_front()
            && let Some(hidden) = inner.sessions.remove(&oldest)
        {
            inner.aliases.remove(&hidden);
        }
        self.any.store(true, Ordering::Release);
        alias
    }

    /// The session that this id stands for.
    pub(crate) fn session(&self, id: SessionId) -> Option<HiddenId> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.inner.lock().sessions.get(&id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_a_session_and_the_oldest_is_forgotten() {
        let aliases = Aliases::default();
        let own = SessionId::random();
        assert_eq!(aliases.session(own), None);
        let first = aliases.of(own.hidden());
        assert_eq!(aliases.of(own.hidden()), first);
        assert_eq!(aliases.session(first), Some(own.hidden()));
        for _ in 0..MOST {
            aliases.of(SessionId::random().hidden());
        }
        assert_eq!(aliases.session(first), None);
        assert_eq!(aliases.inner.lock().aliases.len(), MOST);
    }
}
