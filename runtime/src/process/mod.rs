//! What one process knows about a backend's sessions: the queues of turns, the sockets that are bound to them,
//! and the ids that ended or changed lately.

pub(crate) mod endings;

use std::{
    collections::{BTreeSet, HashMap},
    fmt, ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio::time::Instant;
use tower_sessions::session::Id;

pub(crate) use crate::process::endings::Ending;
use crate::{
    process::endings::Recent,
    session::id::SessionId,
    turns::{Arrivals, Turns},
};

/// How long a handshake that shows a session that ended is asked to try again: until the response that removes the
/// cookie has arrived. A logout over a socket removes none; then the page gets a new session after this.
const JUST_ENDED: Duration = Duration::from_secs(2);

/// What this process knows about the sessions of a backend. A backend holds one; its clones share it.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    turns: Arc<Turns>,
    recent: Mutex<Recent<SessionId>>,
    /// Those that ended on any node, by what stands for the id in the messages of nodes.
    #[cfg(feature = "redis")]
    on_any_node: Mutex<Recent<String>>,
    sockets: Mutex<Sockets>,
    /// The sessions of the Engine.IO connections that were opened by polling, by their `sid`.
    connections: Mutex<HashMap<String, SessionId>>,
}

/// The sockets of sessions, and when the sessions expire as far as is known.
#[derive(Default)]
struct Sockets {
    by_session: HashMap<SessionId, OfSession>,
    /// With the id's number, which has an order.
    by_expiry: BTreeSet<(OffsetDateTime, i128)>,
    /// By what stands for the id in the messages of nodes, where there are any.
    #[cfg(feature = "redis")]
    by_hidden: Option<HashMap<String, SessionId>>,
    watched: bool,
}

#[derive(Default)]
struct OfSession {
    bound: Vec<Weak<dyn SessionSocket>>,
    expires: Option<OffsetDateTime>,
}

impl Sockets {
    fn forget(&mut self, id: SessionId) -> Option<OfSession> {
        let of_session = self.by_session.remove(&id)?;
        #[cfg(feature = "redis")]
        if let Some(by_hidden) = &mut self.by_hidden {
            by_hidden.remove(&id.hidden());
        }
        if let Some(moment) = of_session.expires {
            self.by_expiry.remove(&(moment, id.expose().0));
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

impl Default for Registry {
    fn default() -> Self {
        let turns = Arc::new(Turns::new());
        let (recent, sockets, connections) = Default::default();
        Self(Arc::new(Inner {
            turns,
            recent,
            #[cfg(feature = "redis")]
            on_any_node: Mutex::default(),
            sockets,
            connections,
        }))
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

    /// How many calls have come to the queues of a session: which of them may be given values that are asked for now.
    pub fn arrivals(&self, id: SessionId) -> Arrivals {
        self.0.turns.arrivals(id)
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.0.turns
    }

    /// How an id ended, if that was lately.
    pub(crate) fn ending(&self, id: SessionId) -> Option<Ending> {
        self.recent(id).map(|(_, ending)| ending)
    }

    fn recent(&self, id: SessionId) -> Option<(Instant, Ending)> {
        let known = self.0.recent.lock().get(&id);
        #[cfg(feature = "redis")]
        if known.is_none() {
            let mut on_any_node = self.0.on_any_node.lock();
            return if on_any_node.is_empty() { None } else { on_any_node.get(&id.hidden()) };
        }
        known
    }

    /// Whether a handshake that shows this id must try again, because its cookie is about to change.
    pub(crate) fn has_just_ended(&self, id: SessionId) -> bool {
        match self.recent(id) {
            Some((_, Ending::Changed)) => true,
            Some((at, Ending::Ended)) => at.elapsed() < JUST_ENDED,
            None => false,
        }
    }

    /// Says that an id is about to end: before its record goes, so that nobody who does not find the record takes
    /// the id for an unknown one. Dropping the announcement takes it back.
    pub(crate) fn announce(&self, id: SessionId, ending: Ending) -> Announced<'_> {
        let new = self.0.recent.lock().insert(id, ending);
        Announced { registry: self, id, new }
    }

    /// Remembers that an id is dead, and gives its sockets, which are out of every room from now on.
    pub(crate) fn end(&self, id: SessionId, ending: Ending) -> Vec<Arc<dyn SessionSocket>> {
        self.announce(id, ending).came_true()
    }

    fn take_sockets(&self, id: SessionId) -> Vec<Arc<dyn SessionSocket>> {
        let of_session = self.0.sockets.lock().forget(id).unwrap_or_default();
        let sockets: Vec<_> = of_session.bound.iter().filter_map(Weak::upgrade).collect();
        for socket in &sockets {
            socket.leave_rooms();
        }
        sockets
    }

    /// Ties a socket to its session until it is [untied](Self::untie).
    pub(crate) fn tie(&self, id: SessionId, socket: Weak<dyn SessionSocket>) {
        let mut sockets = self.0.sockets.lock();
        let sockets = &mut *sockets;
        let of_session = sockets.by_session.entry(id).or_default();
        if of_session.bound.is_empty() {
            // Most sessions have one socket only.
            of_session.bound.reserve_exact(1);
            #[cfg(feature = "redis")]
            if let Some(by_hidden) = &mut sockets.by_hidden {
                by_hidden.insert(id.hidden(), id);
            }
        }
        of_session.bound.push(socket);
    }

    /// Unties the socket that is at this address.
    pub(crate) fn untie(&self, id: SessionId, socket: *const ()) {
        let mut sockets = self.0.sockets.lock();
        if let Some(of_session) = sockets.by_session.get_mut(&id) {
            of_session.bound.retain(|bound| !ptr::addr_eq(bound.as_ptr(), socket));
            if of_session.bound.is_empty() {
                sockets.forget(id);
            }
        }
    }

    /// Says when a session expires, if it has sockets.
    pub(crate) fn expires(&self, id: SessionId, expires: OffsetDateTime) {
        let mut sockets = self.0.sockets.lock();
        let sockets = &mut *sockets;
        let Some(of_session) = sockets.by_session.get_mut(&id) else { return };
        // A later moment is found out when the earlier one has come.
        if of_session.expires.is_none_or(|known| expires < known) {
            let known = of_session.expires.replace(expires);
            if let Some(known) = known {
                sockets.by_expiry.remove(&(known, id.expose().0));
            }
            sockets.by_expiry.insert((expires, id.expose().0));
        }
    }

    /// The sessions with sockets whose moment of expiry has come, as far as is known.
    pub(crate) fn due(&self, now: OffsetDateTime) -> Vec<SessionId> {
        let mut sockets = self.0.sockets.lock();
        let later = sockets.by_expiry.split_off(&(now, i128::MIN));
        let due = std::mem::replace(&mut sockets.by_expiry, later);
        let mut ids = Vec::with_capacity(due.len());
        for (_, number) in due {
            let id = SessionId::from(Id(number));
            if let Some(of_session) = sockets.by_session.get_mut(&id) {
                of_session.expires = None;
                ids.push(id);
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

    /// The watch ended while there was something to watch.
    pub(crate) fn watch_is_lost(&self) {
        self.0.sockets.lock().watched = false;
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
    /// A registry that knows nothing yet, and finds sessions by what stands for their ids.
    pub(crate) fn among_nodes() -> Self {
        let registry = Self::new();
        registry.0.sockets.lock().by_hidden = Some(HashMap::new());
        registry
    }

    /// Remembers how a session ended, perhaps on another node, of which only what stands for the id is known.
    pub(crate) fn ended_somewhere(&self, hidden: String, ending: Ending) {
        self.0.on_any_node.lock().insert(hidden, ending);
    }

    /// The sessions with sockets here.
    pub(crate) fn bound(&self) -> Vec<SessionId> {
        self.0.sockets.lock().by_session.keys().copied().collect()
    }

    /// The session with sockets here for whose id this stands.
    pub(crate) fn bound_as(&self, hidden: &str) -> Option<SessionId> {
        self.0.sockets.lock().by_hidden.as_ref()?.get(hidden).copied()
    }

    /// Unties all sockets, because nobody knows whether their sessions live. They are out of every room from now on.
    pub(crate) fn untie_all(&self) -> Vec<Arc<dyn SessionSocket>> {
        self.bound().into_iter().flat_map(|id| self.take_sockets(id)).collect()
    }
}

/// That an id is about to end.
pub(crate) struct Announced<'a> {
    registry: &'a Registry,
    id: SessionId,
    new: bool,
}

impl Announced<'_> {
    /// The id is dead. Gives its sockets, which are out of every room from now on.
    pub(crate) fn came_true(mut self) -> Vec<Arc<dyn SessionSocket>> {
        self.new = false;
        self.registry.take_sockets(self.id)
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if self.new {
            self.registry.0.recent.lock().remove(&self.id);
        }
    }
}
