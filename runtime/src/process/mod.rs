//! What one process knows about a backend's sessions: the queues of their turns, the sockets that are bound to them,
//! who listens to changes of states, how ids ended lately, who is disconnected when, and which writes have not come back. It uses turns and what a session
//! is; it asks nothing of a backend.

mod connections;
pub(crate) mod disconnects;
mod endings;
mod listeners;
mod nodes;
mod shutdown;
mod sockets;
mod structs;
mod unsettled;

use std::{fmt, sync::Arc};

pub use self::endings::Ending;
pub(crate) use self::{
    connections::{Bound, Connections},
    listeners::{ChangedKey, Concern, Listener, Listeners, News},
    sockets::SessionSocket,
};
use self::{
    disconnects::{Cause, Sockets},
    endings::Endings,
    shutdown::Shutdown,
    sockets::BoundSockets,
    structs::{Structs, UnnamedLive},
    unsettled::Unsettled,
};
use crate::{
    background::Background,
    figures,
    log_limit::LogLimit,
    session::id::SessionId,
    turns::{Arrivals, Turns},
};

/// What this process knows about the sessions of a backend. A backend holds one; its clones share it.
///
/// A backend of several processes also tells it what it hears from other nodes: see [`Registry::among_nodes`].
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    /// Whether other processes have turns, too.
    among_nodes: bool,
    turns: Arc<Turns>,
    endings: Endings,
    sockets: BoundSockets,
    connections: Connections,
    expiry_watch: Background,
    unsettled: Unsettled,
    unsaved_touches: LogLimit,
    unwatched: LogLimit,
    unheard: LogLimit,
    structs: Structs,
    listeners: Listeners,
    unnamed_live: UnnamedLive,
    shutdown: Shutdown,
}

impl Default for Registry {
    fn default() -> Self {
        Self::of(BoundSockets::default(), false)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry that knows nothing yet, of a backend for one process.
    pub fn new() -> Self {
        Self::default()
    }

    fn of(sockets: BoundSockets, among_nodes: bool) -> Self {
        let (endings, connections, expiry_watch, unsettled) = Default::default();
        let (unsaved_touches, unwatched, structs, shutdown) = Default::default();
        let (listeners, unnamed_live, unheard) = Default::default();
        let turns = Arc::new(Turns::new());
        Self(Arc::new(Inner {
            among_nodes,
            turns,
            endings,
            sockets,
            connections,
            expiry_watch,
            unsettled,
            unsaved_touches,
            unwatched,
            unheard,
            structs,
            listeners,
            unnamed_live,
            shutdown,
        }))
    }

    /// How many calls have come to the queues of a session: which of them may be given values that are asked for now.
    pub fn arrivals(&self, id: SessionId) -> Arrivals {
        self.0.turns.arrivals(id)
    }

    /// Whether the backend may have to wait for turns of other processes.
    pub(crate) fn is_among_nodes(&self) -> bool {
        self.0.among_nodes
    }

    /// Whether both are the registry of one backend.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.0.turns
    }

    pub(crate) fn sockets(&self) -> &BoundSockets {
        &self.0.sockets
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Which structs values were decoded into.
    pub(crate) fn structs(&self) -> &Structs {
        &self.0.structs
    }

    /// Who wants to hear of changes of states.
    pub(crate) fn listeners(&self) -> &Listeners {
        &self.0.listeners
    }

    /// Which live states were committed that no layer sends.
    pub(crate) fn unnamed_live(&self) -> &UnnamedLive {
        &self.0.unnamed_live
    }

    /// The task that notices that a session with sockets has expired.
    pub(crate) fn expiry_watch(&self) -> &Background {
        &self.0.expiry_watch
    }

    /// Bounds the log of activity that could not be written.
    pub(crate) fn unsaved_touches(&self) -> &LogLimit {
        &self.0.unsaved_touches
    }

    /// Bounds the log of sessions with sockets that could not be looked at.
    pub(crate) fn unwatched(&self) -> &LogLimit {
        &self.0.unwatched
    }

    /// Bounds the log of commits of others that cannot be heard of.
    pub(crate) fn unheard(&self) -> &LogLimit {
        &self.0.unheard
    }

    /// How an id ended, if that was lately.
    pub(crate) fn ending(&self, id: SessionId) -> Option<Ending> {
        self.0.endings.of(id).map(|(_, ending)| ending)
    }

    /// Whether a call of this process is about to end an id, or to change it.
    pub(crate) fn is_about_to_end(&self, id: SessionId) -> bool {
        self.0.endings.is_announced(id)
    }

    /// Whether a handshake that shows this id must try again, because its cookie is about to change.
    pub(crate) fn has_just_ended(&self, id: SessionId) -> bool {
        match self.0.endings.of(id) {
            Some((_, Ending::IdChanged)) => true,
            Some((at, Ending::Ended | Ending::Expired | Ending::Revoked)) => {
                at.elapsed() < disconnects::HANDSHAKE_IS_TOO_EARLY
            }
            None => false,
        }
    }

    /// Says that an id is about to end: before its record goes, so that nobody who does not find the record takes
    /// the id for an unknown one. Dropping the announcement takes it back.
    pub(crate) fn announce(&self, id: SessionId, ending: Ending) -> Announced {
        self.0.endings.announce(id, ending);
        Announced { registry: self.clone(), id, ending }
    }

    /// Remembers that an id is dead, and gives its sockets, which are out of every room from now on.
    pub(crate) fn end(&self, id: SessionId, ending: Ending) -> Sockets {
        // An id that stands for another session's is no session of its own.
        if self.0.endings.insert(id, ending) && self.0.sockets.stands_for(id).is_none() {
            figures::ended(ending.reason());
        }
        self.take_out_of_rooms(id, ending)
    }

    fn take_out_of_rooms(&self, id: SessionId, ending: Ending) -> Sockets {
        self.0.listeners.end(id);
        self.0.sockets.take_out_of_rooms(id, Some(ending))
    }

    /// Ends here, too, what ended without a call of this process.
    fn end_and_disconnect(&self, id: SessionId, ending: Ending, cause: Cause) {
        // The process that ended it has counted it.
        self.0.endings.insert(id, ending);
        disconnects::disconnect(self.take_out_of_rooms(id, ending), cause);
    }
}

/// That an id is about to end. Others may have announced the same, or another end: what came true counts.
pub(crate) struct Announced {
    registry: Registry,
    id: SessionId,
    ending: Ending,
}

impl Announced {
    /// The id is dead. Gives its sockets, which are out of every room from now on.
    pub(crate) fn came_true(self) -> Sockets {
        self.registry.end(self.id, self.ending)
    }
}

impl Drop for Announced {
    /// What came true is remembered by then.
    fn drop(&mut self) {
        self.registry.0.endings.take_back(self.id, self.ending);
    }
}
