//! What one process knows about a backend's sessions: the queues of turns, the sockets that are bound to them,
//! and the ids that ended or changed lately.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{error::ErrorKind, id::SessionId, turns::Turns};

/// How long an id that ended or changed is remembered, so that who still uses it is told why.
pub(crate) const RECENT: Duration = Duration::from_secs(30);

/// What this process knows about the sessions of a backend. A backend holds one; its clones share it.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    turns: Arc<Turns>,
    recent: Mutex<Recent>,
    sockets: Mutex<HashMap<SessionId, Vec<Bound>>>,
}

/// A connected socket, as far as this room needs to know it.
pub(crate) trait SessionSocket: Send + Sync {
    /// Takes the socket out of all its rooms.
    fn leave_rooms(&self);
    /// Ends the socket in all namespaces of its connection.
    fn disconnect(self: Arc<Self>);
}

struct Bound {
    ticket: u64,
    socket: Weak<dyn SessionSocket>,
}

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

#[derive(Default)]
struct Recent {
    endings: HashMap<SessionId, Ending>,
    order: VecDeque<(Instant, SessionId)>,
}

impl Recent {
    fn forget_old(&mut self) {
        while let Some((at, id)) = self.order.front()
            && at.elapsed() > RECENT
        {
            self.endings.remove(id);
            self.order.pop_front();
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        let turns = Arc::new(Turns::new());
        Self(Arc::new(Inner { turns, recent: Mutex::default(), sockets: Mutex::default() }))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.0.turns
    }

    /// How an id ended, if that was lately.
    pub(crate) fn ending(&self, id: SessionId) -> Option<Ending> {
        let mut recent = self.0.recent.lock();
        recent.forget_old();
        recent.endings.get(&id).copied()
    }

    /// Remembers that an id is dead, and gives its sockets, which are out of every room from now on.
    pub(crate) fn end(&self, id: SessionId, ending: Ending) -> Vec<Arc<dyn SessionSocket>> {
        let mut recent = self.0.recent.lock();
        recent.forget_old();
        if recent.endings.insert(id, ending).is_none() {
            recent.order.push_back((Instant::now(), id));
        }
        drop(recent);
        let bound = self.0.sockets.lock().remove(&id).unwrap_or_default();
        let sockets: Vec<_> = bound.iter().filter_map(|bound| bound.socket.upgrade()).collect();
        for socket in &sockets {
            socket.leave_rooms();
        }
        sockets
    }

    /// Ties a socket to its session until the guard is dropped.
    pub(crate) fn bind(&self, id: SessionId, socket: Weak<dyn SessionSocket>) -> SocketGuard {
        let mut sockets = self.0.sockets.lock();
        let bound = sockets.entry(id).or_default();
        let ticket = bound.last().map_or(0, |last| last.ticket + 1);
        bound.push(Bound { ticket, socket });
        SocketGuard { registry: self.clone(), id, ticket }
    }
}

/// Keeps a socket tied to its session.
pub(crate) struct SocketGuard {
    registry: Registry,
    id: SessionId,
    ticket: u64,
}

impl Drop for SocketGuard {
    fn drop(&mut self) {
        let mut sockets = self.registry.0.sockets.lock();
        if let Some(bound) = sockets.get_mut(&self.id) {
            bound.retain(|bound| bound.ticket != self.ticket);
            if bound.is_empty() {
                sockets.remove(&self.id);
            }
        }
    }
}
