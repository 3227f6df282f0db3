//! What a connection carries: the binding to its session, left on the handshake's request by the HTTP side and found
//! there by the sockets of the connection, in every namespace. It holds an id, never data.

use std::sync::{Arc, OnceLock};

use super::{backlog::Backlog, live_session::LiveSession};

/// What a handshake leaves for its sockets.
#[derive(Clone)]
pub(crate) struct Binding(Arc<Connection>);

struct Connection {
    live: Arc<LiveSession>,
    /// The connection's Engine.IO `sid`, if it was opened by polling.
    sid: OnceLock<Box<str>>,
    /// Boxed: few clients ever read too little.
    backlog: OnceLock<Box<Backlog>>,
}

impl Binding {
    pub(crate) fn new(live: LiveSession) -> Self {
        Self(Arc::new(Connection { live: Arc::new(live), sid: OnceLock::new(), backlog: OnceLock::new() }))
    }

    pub(crate) fn live(&self) -> &Arc<LiveSession> {
        &self.0.live
    }

    /// Remembers the connection's `sid` while the connection lives, so that its later requests must show the
    /// cookie of its session.
    pub(crate) fn opened(&self, sid: &str) {
        let live = self.live();
        if live.is_stored() && self.0.sid.set(sid.into()).is_ok() {
            live.registry().connections().insert(sid.to_owned(), live.id());
        }
    }

    /// The answers that wait for room in the connection's buffer.
    pub(crate) fn backlog(&self) -> &Backlog {
        self.0.backlog.get_or_init(Box::default)
    }
}

/// The last socket of the connection is gone.
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(sid) = self.sid.get() {
            self.live.registry().connections().remove(sid);
        }
    }
}
