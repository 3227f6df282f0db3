//! The tie between a connection and its session: left on the handshake's request by the HTTP side, found there by
//! the sockets of the connection, in every namespace. It holds an id, never data.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::call::live_session::LiveSession;

/// What a handshake leaves for its sockets.
#[derive(Clone)]
pub(crate) struct Binding(Arc<Connection>);

struct Connection {
    live: Arc<LiveSession>,
    /// The connection's Engine.IO `sid`, if it was opened by polling.
    sid: OnceLock<Box<str>>,
    /// Boxed: few clients ever read too little.
    full: OnceLock<Box<Full>>,
}

/// A connection whose buffer was full.
#[derive(Default)]
struct Full {
    /// Held by the one answer that waits for room in the connection's full buffer, so that others wait in line.
    turn: tokio::sync::Mutex<()>,
    /// How many answers wait for room.
    waiting: AtomicUsize,
    /// The client reads too little: nothing more waits for it.
    given_up: AtomicBool,
}

/// An answer that waits for room.
pub(crate) struct WaitsForRoom<'a>(&'a AtomicUsize);

impl Drop for WaitsForRoom<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Binding {
    pub(crate) fn new(live: LiveSession) -> Self {
        Self(Arc::new(Connection { live: Arc::new(live), sid: OnceLock::new(), full: OnceLock::new() }))
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

    /// Counts an answer that waits for room; `None` if `most` wait already.
    pub(crate) fn wait_for_room(&self, most: usize) -> Option<WaitsForRoom<'_>> {
        let waits = WaitsForRoom(&self.full().waiting);
        (self.full().waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(waits)
    }

    /// Whether this is the first to give the client up.
    pub(crate) fn give_up(&self) -> bool {
        !self.full().given_up.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn was_given_up(&self) -> bool {
        self.0.full.get().is_some_and(|full| full.given_up.load(Ordering::Relaxed))
    }

    pub(crate) fn full_buffer(&self) -> &tokio::sync::Mutex<()> {
        &self.full().turn
    }

    fn full(&self) -> &Full {
        self.0.full.get_or_init(Box::default)
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
