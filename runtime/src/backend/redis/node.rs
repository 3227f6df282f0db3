//! This node among the others: what it passes on of how sessions fare. The only file of the driver that knows the
//! process's [`Registry`].

use time::OffsetDateTime;

use super::wire::scripts::Tombstone;
use crate::backend::{Arrivals, Ending, HiddenId, Registry, SessionId};

/// What this process knows of sessions, and its name among the others.
#[derive(Clone)]
pub(crate) struct Node {
    registry: Registry,
    name: String,
}

impl Node {
    pub(crate) fn new(registry: Registry, name: String) -> Self {
        Self { registry, name }
    }

    /// How many calls have come to the queues of a session.
    pub(crate) fn arrivals(&self, id: SessionId) -> Arrivals {
        self.registry.arrivals(id)
    }

    /// The sessions with sockets here.
    pub(crate) fn sessions_with_sockets(&self) -> Vec<SessionId> {
        self.registry.sessions_with_sockets()
    }

    /// A session was looked for in vain, and perhaps a tombstone found.
    pub(crate) fn found_gone(&self, session: HiddenId, tombstone: Option<Tombstone>) {
        let Some(Tombstone { ending, node }) = tombstone else { return };
        if node == self.name {
            self.registry.remember_ending(session, ending);
        } else {
            self.registry.session_ended(session, ending);
        }
    }

    /// `node` says that it ended a session or changed its id.
    pub(crate) fn told_of_end(&self, session: HiddenId, ending: Ending, node: &str) {
        if node == self.name {
            self.registry.own_session_ended(session, ending);
        } else {
            self.registry.session_ended(session, ending);
        }
    }

    /// A session expires then, perhaps sooner than this node knew.
    pub(crate) fn expires(&self, session: HiddenId, expires: OffsetDateTime) {
        self.registry.session_expires(session, expires);
    }

    /// `node` has committed to a session that is followed here, and somebody here may want to know. Its own commits they know.
    pub(crate) fn committed(&self, session: HiddenId, node: &str) {
        if node == self.name {
            self.registry.states_changed_here(session);
        } else {
            self.registry.states_changed(session);
        }
    }

    /// Commits may have been missed to a session that is followed here.
    pub(crate) fn may_have_missed(&self, session: HiddenId) {
        self.registry.states_changed(session);
    }

    /// A session with sockets here does not exist any more.
    pub(crate) fn is_gone(&self, id: SessionId) {
        self.registry.session_is_gone(id);
    }

    /// Nothing was heard for too long: disconnects all sockets, because nobody knows whether their sessions live.
    pub(crate) fn cut_off(&self) {
        let sockets = self.registry.disconnect_all();
        if sockets > 0 {
            tracing::warn!(sockets, "cut off from Redis: sockets are disconnected");
        }
    }
}
