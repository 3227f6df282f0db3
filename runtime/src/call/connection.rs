//! What a connection carries: the binding to its session, left on the handshake's request by the HTTP side and found
//! there by the sockets of the connection, in every namespace. It holds an id, never data.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use super::{backlog::Backlog, live_session::LiveSession};
use crate::process::Bound;

/// What a handshake leaves for its sockets.
#[derive(Clone)]
pub(crate) struct Binding(Arc<Connection>);

struct Connection {
    live: Arc<LiveSession>,
    /// The name of the cookie that shows the session.
    cookie: Cow<'static, str>,
    /// The connection's Engine.IO `sid`, if it was opened by polling.
    sid: OnceLock<Box<str>>,
    /// Boxed: few clients ever read too little.
    backlog: OnceLock<Box<Backlog>>,
}

impl Binding {
    /// `cookie`: the name of the cookie that shows the session.
    pub(crate) fn new(live: LiveSession, cookie: Cow<'static, str>) -> Self {
        let (sid, backlog) = Default::default();
        Self(Arc::new(Connection { live: Arc::new(live), cookie, sid, backlog }))
    }

    pub(crate) fn live(&self) -> &Arc<LiveSession> {
        &self.0.live
    }

    /// Remembers the connection's `sid` while the connection lives, so that its later requests must show the
    /// cookie of its session.
    pub(crate) fn opened(&self, sid: &str) {
        let live = self.live();
        if live.is_stored() && self.0.sid.get().is_none() {
            let bound = Bound { cookie: self.0.cookie.clone(), session: live.id() };
            // Where two layers are one inside of the other, the inner one was first: its sockets are these.
            if live.registry().connections().bind(sid, bound) {
                self.0.sid.set(sid.into()).ok();
            }
        }
    }

    /// Whether answers wait for room in the connection's buffer: others go behind them.
    pub(crate) fn has_backlog(&self) -> bool {
        self.0.backlog.get().is_some_and(|backlog| backlog.any_waits())
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
