//! What one process knows about a backend's sessions: the queues of turns, the sockets that are bound to them,
//! and the ids that ended or changed lately.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use time::OffsetDateTime;
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
    sockets: Mutex<Sockets>,
    /// The sessions of the Engine.IO connections that were opened by polling, by their `sid`.
    connections: Mutex<HashMap<String, SessionId>>,
}

/// The sockets of sessions, and when the sessions expire as far as is known.
#[derive(Default)]
struct Sockets {
    by_session: HashMap<SessionId, OfSession>,
    by_expiry: BTreeMap<OffsetDateTime, Vec<SessionId>>,
    /// By what stands for the id in a backend's messages.
    #[cfg(feature = "redis")]
    by_hidden: HashMap<String, SessionId>,
    watched: bool,
}

#[derive(Default)]
struct OfSession {
    bound: Vec<Bound>,
    next: u64,
    expires: Option<OffsetDateTime>,
}

impl Sockets {
    fn forget(&mut self, id: SessionId) -> Option<OfSession> {
        let of_session = self.by_session.remove(&id)?;
        #[cfg(feature = "redis")]
        self.by_hidden.remove(&id.hidden());
        if let Some(moment) = of_session.expires
            && let Some(ids) = self.by_expiry.get_mut(&moment)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_expiry.remove(&moment);
            }
        }
        Some(of_session)
    }
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
    /// Those that ended on any node, by what stands for the id in its messages.
    #[cfg(feature = "redis")]
    hidden: HashMap<String, Ending>,
    #[cfg(feature = "redis")]
    hidden_order: VecDeque<(Instant, String)>,
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
        #[cfg(feature = "redis")]
        while let Some((at, hidden)) = self.hidden_order.front()
            && at.elapsed() > RECENT
        {
            self.hidden.remove(hidden);
            self.hidden_order.pop_front();
        }
    }

    fn ending(&self, id: SessionId) -> Option<Ending> {
        let known = self.endings.get(&id).copied();
        #[cfg(feature = "redis")]
        if known.is_none() && !self.hidden.is_empty() {
            return self.hidden.get(&id.hidden()).copied();
        }
        known
    }
}

impl Default for Registry {
    fn default() -> Self {
        let turns = Arc::new(Turns::new());
        let (recent, sockets, connections) = Default::default();
        Self(Arc::new(Inner { turns, recent, sockets, connections }))
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
        recent.ending(id)
    }

    /// Remembers that an id is dead, and gives its sockets, which are out of every room from now on.
    pub(crate) fn end(&self, id: SessionId, ending: Ending) -> Vec<Arc<dyn SessionSocket>> {
        let mut recent = self.0.recent.lock();
        recent.forget_old();
        if recent.endings.insert(id, ending).is_none() {
            recent.order.push_back((Instant::now(), id));
        }
        drop(recent);
        let of_session = self.0.sockets.lock().forget(id).unwrap_or_default();
        let sockets: Vec<_> = of_session.bound.iter().filter_map(|bound| bound.socket.upgrade()).collect();
        for socket in &sockets {
            socket.leave_rooms();
        }
        sockets
    }

    /// Ties a socket to its session until the guard is dropped.
    pub(crate) fn bind(&self, id: SessionId, socket: Weak<dyn SessionSocket>) -> SocketGuard {
        let mut sockets = self.0.sockets.lock();
        #[cfg(feature = "redis")]
        if !sockets.by_session.contains_key(&id) {
            sockets.by_hidden.insert(id.hidden(), id);
        }
        let of_session = sockets.by_session.entry(id).or_default();
        let ticket = of_session.next;
        of_session.next += 1;
        of_session.bound.push(Bound { ticket, socket });
        SocketGuard { registry: self.clone(), id, ticket }
    }

    /// Says when a session expires, if it has sockets.
    pub(crate) fn expires(&self, id: SessionId, expires: OffsetDateTime) {
        let mut sockets = self.0.sockets.lock();
        let sockets = &mut *sockets;
        let Some(of_session) = sockets.by_session.get_mut(&id) else { return };
        // A later moment is found out when the earlier one has come.
        if of_session.expires.is_none_or(|known| expires < known) {
            let known = of_session.expires.replace(expires);
            if let Some(ids) = known.and_then(|known| sockets.by_expiry.get_mut(&known)) {
                ids.retain(|other| *other != id);
            }
            sockets.by_expiry.entry(expires).or_default().push(id);
        }
    }

    /// The sessions with sockets whose moment of expiry has come, as far as is known.
    pub(crate) fn due(&self, now: OffsetDateTime) -> Vec<SessionId> {
        let mut sockets = self.0.sockets.lock();
        let later = sockets.by_expiry.split_off(&now);
        let due = std::mem::replace(&mut sockets.by_expiry, later);
        let mut ids = Vec::new();
        for (moment, candidates) in due {
            for id in candidates {
                if let Some(of_session) = sockets.by_session.get_mut(&id)
                    && of_session.expires == Some(moment)
                {
                    of_session.expires = None;
                    ids.push(id);
                }
            }
        }
        ids
    }

    /// Remembers to which session a connection is bound.
    pub(crate) fn opened(&self, sid: String, id: SessionId) {
        self.0.connections.lock().insert(sid, id);
    }

    /// The session to which a connection is bound.
    pub(crate) fn bound_to(&self, sid: &str) -> Option<SessionId> {
        self.0.connections.lock().get(sid).copied()
    }

    pub(crate) fn closed(&self, sid: &str) {
        self.0.connections.lock().remove(sid);
    }

    /// Whether a watch must be begun; it then counts as begun.
    pub(crate) fn begin_watch(&self) -> bool {
        !std::mem::replace(&mut self.0.sockets.lock().watched, true)
    }

    /// Whether there is still something to watch; if not, the watch counts as ended.
    pub(crate) fn keep_watching(&self) -> bool {
        let mut sockets = self.0.sockets.lock();
        sockets.watched = !sockets.by_session.is_empty();
        if !sockets.watched {
            sockets.by_expiry.clear();
        }
        sockets.watched
    }
}

/// For a backend of several processes.
#[cfg(feature = "redis")]
impl Registry {
    /// Remembers how a session ended, perhaps on another node, of which only a stand-in for the id is known.
    pub(crate) fn remember(&self, hidden: String, ending: Ending) {
        let mut recent = self.0.recent.lock();
        recent.forget_old();
        if recent.hidden.insert(hidden.clone(), ending).is_none() {
            recent.hidden_order.push_back((Instant::now(), hidden));
        }
    }

    /// The sessions with sockets here.
    pub(crate) fn bound(&self) -> Vec<SessionId> {
        self.0.sockets.lock().by_session.keys().copied().collect()
    }

    /// The session with sockets here for whose id this stands.
    pub(crate) fn bound_as(&self, hidden: &str) -> Option<SessionId> {
        self.0.sockets.lock().by_hidden.get(hidden).copied()
    }

    /// Unties all sockets, whose sessions cannot be watched any more. They are out of every room from now on.
    pub(crate) fn untie_all(&self) -> Vec<Arc<dyn SessionSocket>> {
        let mut all = Vec::new();
        for id in self.bound() {
            let of_session = self.0.sockets.lock().forget(id).unwrap_or_default();
            all.extend(of_session.bound.iter().filter_map(|bound| bound.socket.upgrade()));
        }
        for socket in &all {
            socket.leave_rooms();
        }
        all
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
        if let Some(of_session) = sockets.by_session.get_mut(&self.id) {
            of_session.bound.retain(|bound| bound.ticket != self.ticket);
            if of_session.bound.is_empty() {
                sockets.forget(self.id);
            }
        }
    }
}
