//! What a connection carries: the binding to its session, left on the handshake's request by the HTTP side and found
//! there by the sockets of the connection, in every namespace. It holds an id, never data.

use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{backlog::Backlog, live_session::LiveSession};
use crate::process::Bound;

/// What a handshake leaves for its sockets.
#[derive(Clone)]
pub(crate) struct Binding(Arc<Connection>);

struct Connection {
    live: Arc<LiveSession>,
    /// The number of the last event that came and is to be acknowledged.
    last_event: AtomicU32,
    /// Up to which of them answers are sent together.
    together: AtomicU32,
    /// Boxed: there are many connections, most of them opened by WebSocket by clients that read what they are sent.
    rare: OnceLock<Box<Rare>>,
}

/// What few connections have.
#[derive(Default)]
struct Rare {
    /// Of one that was opened by polling: the name of the cookie that its later requests must show.
    cookie: OnceLock<Cow<'static, str>>,
    /// Its Engine.IO `sid`, once it is bound to the cookie's session.
    sid: OnceLock<Box<str>>,
    /// The answers to a client that reads too little.
    backlog: OnceLock<Backlog>,
}

impl Binding {
    pub(crate) fn new(live: LiveSession) -> Self {
        let (last_event, together, rare) = Default::default();
        Self(Arc::new(Connection { live: Arc::new(live), last_event, together, rare }))
    }

    pub(crate) fn live(&self) -> &Arc<LiveSession> {
        &self.0.live
    }

    /// An event has come that is to be acknowledged. Gives its number.
    pub(crate) fn event_comes(&self) -> u32 {
        self.0.last_event.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Whether the answer to this event is the first of several that can be sent together: other events came after it.
    pub(crate) fn begins_several_answers(&self, event: u32) -> bool {
        // Numbers begin anew some day.
        let is_after = |one: u32, other: u32| one.wrapping_sub(other).cast_signed() > 0;
        let last = self.0.last_event.load(Ordering::Relaxed);
        let begins = is_after(last, event) && is_after(event, self.0.together.load(Ordering::Relaxed));
        if begins {
            self.0.together.store(last, Ordering::Relaxed);
        }
        begins
    }

    /// The connection was opened by polling: its later requests must show this cookie of its session.
    pub(crate) fn opened(&self, sid: &str, cookie: Cow<'static, str>) {
        self.0.rare().cookie.set(cookie).ok();
        self.bind(sid);
    }

    /// Binds a connection that was opened by polling to its session's cookie while the connection lives, where there is a
    /// session by now.
    pub(crate) fn bind(&self, sid: &str) {
        let Some(rare) = self.0.rare.get() else { return };
        let Some(cookie) = rare.cookie.get().filter(|_| self.live().is_stored() && rare.sid.get().is_none())
        else {
            return;
        };
        let bound = Bound { cookie: cookie.clone(), session: self.live().id() };
        // Where two layers are one inside of the other, the inner one was first: its sockets are these.
        if self.live().registry().connections().bind(sid, bound) {
            rare.sid.set(sid.into()).ok();
        }
    }

    /// Whether answers wait for room in the connection's buffer: others go behind them.
    pub(crate) fn has_backlog(&self) -> bool {
        self.0.rare.get().and_then(|rare| rare.backlog.get()).is_some_and(Backlog::any_waits)
    }

    /// The answers that wait for room in the connection's buffer.
    pub(crate) fn backlog(&self) -> &Backlog {
        self.0.rare().backlog.get_or_init(Backlog::default)
    }
}

impl Connection {
    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }
}

/// The last socket of the connection is gone.
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(sid) = self.rare.get().and_then(|rare| rare.sid.get()) {
            self.live.registry().connections().remove(sid);
        }
    }
}
