//! This node among the others: what it does when it hears how sessions fare. The only file of the driver that knows the
//! process's [`Registry`].

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::sleep;

use super::wire::scripts::Tombstone;
use crate::{
    process::{Ending, Registry, SessionSocket},
    session::id::SessionId,
    turns::Arrivals,
};

/// After this, the sockets of a session whose id was changed on another node are disconnected: by then the response
/// with the new cookie is out, as a rule. They are out of every room at once.
const AFTER_CHANGE: Duration = Duration::from_secs(1);

/// After this, the sockets of a session that ended on another node are disconnected: an event that found it ended is
/// answered by then.
const AFTER_END: Duration = Duration::from_millis(50);

/// After this, sockets that are left of a session that ended on this node are disconnected: the handler that ended
/// it does so earlier, unless it never heard that it did.
const AFTER_OWN: Duration = Duration::from_secs(8);

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
    pub(crate) fn bound(&self) -> Vec<SessionId> {
        self.registry.bound()
    }

    /// A session was looked for in vain, and perhaps a tombstone found.
    pub(crate) fn found_gone(&self, id: SessionId, tombstone: Option<Tombstone>) {
        let Some(Tombstone { ending, node }) = tombstone else { return };
        self.registry.ended_somewhere(id.hidden(), ending);
        if node != self.name {
            self.disconnect(id, ending);
        }
    }

    /// `node` says that it ended a session or changed its id.
    pub(crate) fn told_of_end(&self, hidden: &str, ending: Ending, node: &str) {
        self.registry.ended_somewhere(hidden.to_owned(), ending);
        let Some(id) = self.registry.bound_as(hidden) else { return };
        if node == self.name {
            let this = self.clone();
            tokio::spawn(async move {
                sleep(AFTER_OWN).await;
                this.disconnect(id, ending);
            });
        } else {
            self.disconnect(id, ending);
        }
    }

    /// A node says that a session expires sooner than others may know.
    pub(crate) fn told_of_expiry(&self, hidden: &str, expires: OffsetDateTime) {
        if let Some(id) = self.registry.bound_as(hidden) {
            self.lives_until(id, expires);
        }
    }

    /// A session with sockets here lives, and expires then.
    pub(crate) fn lives_until(&self, id: SessionId, expires: OffsetDateTime) {
        self.registry.expires(id, expires);
    }

    /// A session with sockets here does not exist any more.
    pub(crate) fn is_over(&self, id: SessionId) {
        let ending = self.registry.ending(id).unwrap_or(Ending::Ended);
        self.disconnect(id, ending);
    }

    /// Nothing was heard for too long: disconnects all sockets, because nobody knows whether their sessions live.
    pub(crate) fn cut_off(&self) {
        let sockets = self.registry.untie_all();
        if !sockets.is_empty() {
            tracing::warn!(sockets = sockets.len(), "cut off from Redis: sockets are disconnected");
        }
        sockets.into_iter().for_each(SessionSocket::disconnect);
    }

    /// Ends a session that ended elsewhere here, too.
    fn disconnect(&self, id: SessionId, ending: Ending) {
        let sockets = self.registry.end(id, ending);
        if sockets.is_empty() {
            return;
        }
        tokio::spawn(async move {
            sleep(if ending == Ending::Changed { AFTER_CHANGE } else { AFTER_END }).await;
            sockets.into_iter().for_each(SessionSocket::disconnect);
        });
    }
}
