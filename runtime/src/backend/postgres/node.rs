//! This node among the others: what it passes on of how sessions fare. The only file here that knows the process's
//! [`Registry`].

use time::OffsetDateTime;

use super::wire::ending_of;
use crate::backend::{Arrivals, Ending, HiddenId, Registry, SessionId};

/// What this process knows of sessions, and its name among the others.
#[derive(Clone)]
pub(super) struct Node {
    registry: Registry,
    name: String,
}

impl Node {
    pub(super) fn new(registry: Registry, name: String) -> Self {
        Self { registry, name }
    }

    /// How many calls have come to the queues of a session.
    pub(super) fn arrivals(&self, id: SessionId) -> Arrivals {
        self.registry.arrivals(id)
    }

    /// The sessions with sockets here.
    pub(super) fn sessions_with_sockets(&self) -> Vec<SessionId> {
        self.registry.sessions_with_sockets()
    }

    /// A session was looked for in vain, and perhaps found how it ended, and by which node.
    pub(super) fn found_gone(&self, session: HiddenId, kind: Option<&str>, node: Option<&str>) {
        let Some((ending, node)) = kind.and_then(ending_of).zip(node) else { return };
        if node == self.name {
            self.registry.remember_ending(session, ending);
        } else {
            self.registry.session_ended(session, ending);
        }
    }

    /// Another node says that it ended a session or changed its id. What this one did it has heard already.
    pub(super) fn told_of_end(&self, session: HiddenId, ending: Ending, node: &str) {
        if node != self.name {
            self.registry.session_ended(session, ending);
        }
    }

    /// This node has ended a session or changed its id.
    pub(super) fn has_ended(&self, session: HiddenId, ending: Ending) {
        self.registry.own_session_ended(session, ending);
    }

    /// A session expires then, perhaps sooner than this node knew.
    pub(super) fn expires(&self, session: HiddenId, expires: OffsetDateTime) {
        self.registry.session_expires(session, expires);
    }

    /// `node` has committed to a session that is followed here.
    pub(super) fn told_of_commit(&self, session: HiddenId, node: &str) {
        if node != self.name {
            self.registry.states_changed(session);
        }
    }

    /// This node has committed to a session.
    pub(super) fn has_committed(&self, session: HiddenId) {
        self.registry.states_changed_here(session);
    }

    /// Commits may have been missed to a session that is followed here.
    pub(super) fn may_have_missed(&self, session: HiddenId) {
        self.registry.states_changed(session);
    }

    /// A session with sockets here does not exist any more.
    pub(super) fn is_gone(&self, id: SessionId) {
        self.registry.session_is_gone(id);
    }

    /// Nothing was heard for too long: disconnects all sockets, because nobody knows whether their sessions live.
    pub(super) fn cut_off(&self) {
        let sockets = self.registry.disconnect_all();
        if sockets > 0 {
            tracing::warn!(sockets, "cut off from PostgreSQL: sockets are disconnected");
        }
    }
}
