//! What a backend of several processes tells this one, of what it heard from the others: the node API.

use std::time::Duration;

use time::OffsetDateTime;

use super::{
    Registry,
    disconnects::{self, Cause, Sockets},
    endings::{Ending, REMEMBERED},
    listeners::News,
    sockets::BoundSockets,
};
use crate::session::id::{HiddenId, SessionId};

/// For a backend of several processes (nodes). Nodes tell each other of sessions by their [`HiddenId`]; what a backend
/// hears it passes on to its registry, which sees to the sockets of this process.
///
/// The duties of such a backend, beside those of every [`Backend`](crate::Backend):
///
/// - A commit that ends a session or changes its id is told to all nodes, which pass it on by
///   [`session_ended`](Registry::session_ended). One that makes a session expire sooner is told, too, and passed on
///   by [`session_expires`](Registry::session_expires).
/// - A message from the node itself comes back to it as well, if the engine sends it to all: it is passed on by
///   [`own_session_ended`](Registry::own_session_ended), or dropped. Passed on by `session_ended` it would disconnect
///   sockets before the answer that ends their session is out.
/// - What is found in place of a session (a tombstone) is passed on by [`session_ended`](Registry::session_ended) if
///   another node left it, and by [`remember_ending`](Registry::remember_ending) if this one did.
/// - Messages can be lost. A node that hears again after it did not looks at each of the
///   [`sessions_with_sockets`](Registry::sessions_with_sockets), and says what it found by
///   [`session_expires`](Registry::session_expires) or [`session_is_gone`](Registry::session_is_gone).
/// - A node that cannot hear for longer than it promises calls [`disconnect_all`](Registry::disconnect_all).
impl Registry {
    /// How long a registry remembers how a session ended. Nodes need not remember it longer; a call to an engine that is
    /// tried again must come to its end within it.
    pub const ENDINGS_ARE_REMEMBERED: Duration = REMEMBERED;

    /// A registry that knows nothing yet, of a backend for several processes.
    pub fn among_nodes() -> Self {
        Self::of(BoundSockets::among_nodes(), true)
    }

    /// A session ended, or changed its id, on another node. Its sockets here leave every room at once and are
    /// disconnected soon; calls that still use it are told how it ended.
    pub fn session_ended(&self, session: HiddenId, ending: Ending) {
        self.remember_ending(session, ending);
        self.end_alias(session, ending);
        if let Some(id) = self.0.sockets.session_as(session) {
            let cause = match ending {
                Ending::Ended | Ending::Expired | Ending::Revoked => Cause::EndedElsewhere,
                Ending::IdChanged => Cause::ChangedElsewhere,
            };
            self.end_and_disconnect(id, ending, cause);
        }
    }

    /// This node itself told all nodes that a session ended or changed its id, and has heard that. The call that did
    /// so disconnects the sockets; those that are left after some seconds are disconnected here.
    pub fn own_session_ended(&self, session: HiddenId, ending: Ending) {
        self.remember_ending(session, ending);
        self.end_alias(session, ending);
        if let Some(id) = self.0.sockets.session_as(session) {
            let registry = self.clone();
            disconnects::disconnect_those_left(Cause::HeardFromItself, move || registry.end(id, ending));
        }
    }

    fn end_alias(&self, session: HiddenId, ending: Ending) {
        if let Some(alias) = self.0.sockets.alias_of(session) {
            self.end_and_disconnect(alias, ending, Cause::EndedElsewhere);
        }
    }

    /// Remembers how a session ended, so that who still uses it is told; it does nothing to sockets.
    pub fn remember_ending(&self, session: HiddenId, ending: Ending) {
        self.0.endings.insert_on_any_node(session, ending);
    }

    /// How the session ended for which this stands, if that was lately.
    pub(crate) fn ending_as(&self, session: HiddenId) -> Option<Ending> {
        self.0.endings.on_any_node(session)
    }

    /// A session expires at this moment, perhaps sooner than was known here. Its sockets end with it.
    pub fn session_expires(&self, session: HiddenId, expires: OffsetDateTime) {
        let (sockets, alias) = (&self.0.sockets, self.0.sockets.alias_of(session));
        for id in sockets.session_as(session).into_iter().chain(alias) {
            sockets.note_expiry(id, expires);
        }
    }

    /// Another node has committed to a session that this one [listens](crate::Backend::listen) to. Whoever wants to know what
    /// there is now loads it, so that a backend that keeps what it has read forgets it first. Also said, to be sure, where
    /// messages may have been lost.
    pub fn states_changed(&self, session: HiddenId) {
        if let Some(id) = self.0.sockets.session_as(session) {
            self.0.listeners.tell(id, &News::Unknown);
        }
        self.states_changed_here(session);
    }

    /// This node itself has committed to a session: who listens to it by an id that
    /// [stands for](crate::backend::Owners::stands_for) its own does not know yet.
    pub fn states_changed_here(&self, session: HiddenId) {
        if let Some(alias) = self.0.sockets.alias_of(session) {
            self.0.listeners.tell(alias, &News::Unknown);
        }
    }

    /// A session was looked for and is not there any more.
    pub fn session_is_gone(&self, id: SessionId) {
        let ending = self.ending_of_missing(id).unwrap_or(Ending::Expired);
        let cause = match ending {
            Ending::IdChanged => Cause::ChangedElsewhere,
            Ending::Ended | Ending::Expired | Ending::Revoked => Cause::EndedElsewhere,
        };
        self.end_and_disconnect(id, ending, cause);
    }

    /// How the session ended that is not there any more, and may be listened to here by another id than its own. `None`:
    /// nobody has heard of it, so it has expired.
    pub(crate) fn ending_of_missing(&self, id: SessionId) -> Option<Ending> {
        self.ending(id).or_else(|| self.ending_as(self.0.sockets.stands_for(id)?))
    }

    /// The sessions that have sockets in this process.
    pub fn sessions_with_sockets(&self) -> Vec<SessionId> {
        self.0.sockets.sessions()
    }

    /// Disconnects the sockets of all sessions, because nobody knows whether those live. How many there were.
    pub fn disconnect_all(&self) -> usize {
        let sessions = self.0.sockets.sessions();
        let sockets: Sockets =
            sessions.into_iter().flat_map(|id| self.0.sockets.take_out_of_rooms(id, None)).collect();
        let count = sockets.len();
        disconnects::disconnect(sockets, Cause::CutOff);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::Pin,
        sync::{Arc, Weak},
    };

    use tokio::sync::SetOnce;

    use super::*;
    use crate::process::sockets::SessionSocket;

    #[derive(Default)]
    struct Listens(SetOnce<Option<Ending>>);

    impl SessionSocket for Listens {
        fn leave_rooms(&self) {}

        fn disconnect(self: Arc<Self>, ended: Option<Ending>) {
            self.0.set(ended).ok();
        }

        fn close_server(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async {})
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_listens_by_another_id_is_told_how_the_session_ended_that_is_found_gone() {
        for ending in [Ending::Ended, Ending::Revoked, Ending::IdChanged] {
            let registry = Registry::among_nodes();
            let (session, alias) = (SessionId::random().hidden(), SessionId::random());
            let listens = Arc::new(Listens::default());
            let socket = Arc::downgrade(&listens) as Weak<dyn SessionSocket>;
            registry.sockets().bind_as(session, alias, socket);
            // A call of this node ended it, and has not come to its own end yet.
            registry.remember_ending(session, ending);
            registry.session_is_gone(alias);
            assert_eq!(*listens.0.wait().await, Some(ending));
        }
    }
}
