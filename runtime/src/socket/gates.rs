//! What a client sends after it has heard CONNECT and before its connect function first waits: it is kept, and let go in
//! order. A gate stands before each handler that was given with `on`; once it is open, it costs one atomic load.

use std::{
    collections::VecDeque,
    marker::PhantomData,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use parking_lot::Mutex;
use socketioxide::{
    adapter::Adapter,
    handler::{DisconnectHandler, MessageHandler, Value},
    socket::{DisconnectReason, Socket},
};

use super::{
    binding::WhenServerCloses,
    ends::EndHandler,
    reply::{Reply, Said},
};
use crate::{
    error::{Error, ErrorKind},
    panics::caught,
};

/// So many events of a socket are kept; those past it are refused.
const MOST_KEPT: usize = 1_000;

/// So many refusals are kept, as a few bytes each; a client that sends more is disconnected.
const MOST_REFUSED: usize = 250_000;

/// An event's handler, whatever its arguments.
pub(super) trait EventHandler<A: Adapter>: Send + Sync {
    fn call(&self, socket: Arc<Socket<A>>, value: Value, ack_id: Option<i64>);
}

/// A handler whose arguments are forgotten.
pub(super) struct Erased<H, T>(H, PhantomData<fn() -> T>);

impl<H, T> Erased<H, T> {
    pub(super) fn new(handler: H) -> Self {
        Self(handler, PhantomData)
    }

    pub(super) fn handler(&self) -> &H {
        &self.0
    }
}

impl<A: Adapter, H: MessageHandler<A, T>, T> EventHandler<A> for Erased<H, T> {
    fn call(&self, socket: Arc<Socket<A>>, value: Value, ack_id: Option<i64>) {
        self.0.call(socket, value, ack_id);
    }
}

/// The gates of one socket, which open together.
pub(super) struct Gates<A: Adapter> {
    phase: AtomicU8,
    kept: Mutex<Option<Box<Kept<A>>>>,
}

/// The connect function has not waited yet: what comes is kept.
const SHUT: u8 = 0;
/// It failed before it did: what comes is refused, until the socket is gone.
const FAILED: u8 = 1;
/// It waits, or runs after a wait: handlers are called, and more may be on their way.
const OPEN: u8 = 2;
/// It has ended: there are all the handlers there will be.
const SETTLED: u8 = 3;

/// What came early.
struct Kept<A: Adapter> {
    events: VecDeque<Early<A>>,
    /// The acknowledgements that are awaited by those past [`MOST_KEPT`].
    too_many: VecDeque<Option<i64>>,
    /// The client has left.
    gone: Option<Gone<A>>,
}

struct Early<A: Adapter> {
    /// `None`: there is no handler for it.
    what: Option<(Arc<dyn EventHandler<A>>, Value)>,
    ack_id: Option<i64>,
}

struct Gone<A: Adapter> {
    handler: Arc<dyn EndHandler<A>>,
    reason: DisconnectReason,
    defer: fn(Arc<Socket<A>>),
}

impl<A: Adapter> Default for Gates<A> {
    fn default() -> Self {
        Self { phase: AtomicU8::new(SHUT), kept: Mutex::new(None) }
    }
}

impl<A: Adapter> Default for Kept<A> {
    fn default() -> Self {
        Self { events: VecDeque::new(), too_many: VecDeque::new(), gone: None }
    }
}

impl<A: Adapter> Gates<A> {
    fn are_open(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= OPEN
    }

    /// Whether the function failed before it waited.
    pub(super) fn have_failed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == FAILED
    }

    /// The function waits for the first time, or has ended without a wait. What was kept goes first, in its order; what
    /// comes meanwhile waits behind it.
    pub(super) fn open(&self, socket: &Arc<Socket<A>>) {
        while let Some(kept) = self.take_or_be(OPEN) {
            kept.let_go(socket);
        }
    }

    /// The function has failed. `true`: it had not waited yet, so there is something to [refuse](Self::refuse).
    pub(super) fn fail(&self) -> bool {
        let _kept = self.kept.lock();
        self.phase.compare_exchange(SHUT, FAILED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Refuses what was kept.
    pub(super) async fn refuse(&self, socket: &Arc<Socket<A>>) {
        let kept = self.kept.lock().take();
        if let Some(kept) = kept {
            kept.refuse(socket).await;
        }
    }

    /// The function has ended.
    pub(super) fn settle(&self, socket: &Arc<Socket<A>>) {
        self.open(socket);
        self.phase.compare_exchange(OPEN, SETTLED, Ordering::AcqRel, Ordering::Acquire).ok();
    }

    /// What was kept since the last time. Where there is nothing, the gates are in this phase from now on.
    fn take_or_be(&self, phase: u8) -> Option<Box<Kept<A>>> {
        let mut kept = self.kept.lock();
        let taken = kept.take();
        if taken.is_none() {
            self.phase.compare_exchange(SHUT, phase, Ordering::AcqRel, Ordering::Acquire).ok();
        }
        taken
    }

    /// An event that found its gate shut, or no handler.
    #[cold]
    fn comes_early(&self, socket: &Arc<Socket<A>>, early: Early<A>) {
        let mut kept = self.kept.lock();
        match self.phase.load(Ordering::Acquire) {
            SHUT => {
                let kept = kept.get_or_insert_default();
                if kept.events.len() < MOST_KEPT {
                    kept.events.push_back(early);
                    return;
                }
                if kept.too_many.len() < MOST_REFUSED {
                    kept.too_many.push_back(early.ack_id);
                    return;
                }
            }
            FAILED => {
                drop(kept);
                Reply::to_event(socket, early.ack_id).refused(ErrorKind::TooEarly);
                return;
            }
            _ => {
                drop(kept);
                early.let_go(socket);
                return;
            }
        }
        drop(kept);
        Reply::to_event(socket, None).give_up();
    }

    /// The client leaves.
    fn goes(&self, socket: Arc<Socket<A>>, gone: Gone<A>) {
        let mut kept = self.kept.lock();
        match self.phase.load(Ordering::Acquire) {
            SHUT => kept.get_or_insert_default().gone = Some(gone),
            FAILED => {
                drop(kept);
                (gone.defer)(socket);
            }
            _ => {
                drop(kept);
                gone.handler.call(socket, gone.reason, gone.defer);
            }
        }
    }
}

impl<A: Adapter> Kept<A> {
    fn let_go(self, socket: &Arc<Socket<A>>) {
        for early in self.events {
            early.let_go(socket);
        }
        for ack_id in self.too_many {
            Reply::to_event(socket, ack_id).refused(ErrorKind::TooManyWaiters);
        }
        if let Some(Gone { handler, reason, defer }) = self.gone {
            contained(|| handler.call(Arc::clone(socket), reason, defer));
        }
    }

    async fn refuse(self, socket: &Arc<Socket<A>>) {
        let acks = self.events.iter().map(|early| early.ack_id).chain(self.too_many);
        let error = Error::new(ErrorKind::TooEarly);
        for ack_id in acks {
            Reply::to_event(socket, ack_id).say(Said::Error(&error)).await;
        }
        if let Some(gone) = self.gone {
            (gone.defer)(Arc::clone(socket));
        }
    }
}

impl<A: Adapter> Early<A> {
    fn let_go(self, socket: &Arc<Socket<A>>) {
        match self.what {
            Some((handler, value)) => contained(|| handler.call(Arc::clone(socket), value, self.ack_id)),
            None => Reply::to_event(socket, self.ack_id).refused(ErrorKind::TooEarly),
        }
    }
}

/// A plain handler's extractor may panic: the others are let go all the same.
fn contained(call: impl FnOnce()) {
    let called = caught(|| {
        call();
        Ok(())
    });
    if let Err(panicked) = called {
        panicked.log("a handler");
    }
}

/// Marks the handlers of this module.
#[derive(Debug)]
pub(super) enum ByGate {}

/// Stands before the handler of one event.
pub(super) struct Gate<A: Adapter> {
    pub(super) gates: Arc<Gates<A>>,
    pub(super) handler: Arc<dyn EventHandler<A>>,
}

impl<A: Adapter> MessageHandler<A, ByGate> for Gate<A> {
    fn call(&self, socket: Arc<Socket<A>>, value: Value, ack_id: Option<i64>) {
        if self.gates.are_open() {
            self.handler.call(socket, value, ack_id);
        } else {
            let what = Some((Arc::clone(&self.handler), value));
            self.gates.comes_early(&socket, Early { what, ack_id });
        }
    }
}

/// Stands where the application's fallback would, until it sets one.
pub(super) struct NoHandler<A: Adapter>(pub(super) Arc<Gates<A>>);

impl<A: Adapter> MessageHandler<A, ByGate> for NoHandler<A> {
    fn call(&self, socket: Arc<Socket<A>>, _: Value, ack_id: Option<i64>) {
        if self.0.phase.load(Ordering::Acquire) != SETTLED {
            self.0.comes_early(&socket, Early { what: None, ack_id });
        }
    }
}

/// Stands before the disconnect handler.
pub(super) struct EndGate<A: Adapter>(Arc<End<A>>);

struct End<A: Adapter> {
    socket: Weak<Socket<A>>,
    gates: Arc<Gates<A>>,
    handler: Arc<dyn EndHandler<A>>,
    /// A socket ends once.
    has_gone: AtomicBool,
}

impl<A: Adapter> EndGate<A> {
    /// Puts the handler on a socket.
    pub(super) fn stand_on(socket: &Arc<Socket<A>>, gates: Arc<Gates<A>>, handler: Arc<dyn EndHandler<A>>) {
        let (has_gone, of) = (AtomicBool::new(false), Arc::downgrade(socket));
        let end = Arc::new(End { socket: of, gates, handler, has_gone });
        socket.on_disconnect(Self(Arc::clone(&end)));
        socket.extensions.insert(WhenServerCloses(Arc::new(move || {
            if let Some(socket) = end.socket.upgrade() {
                end.goes(socket, DisconnectReason::ClosingServer, |_| {});
            }
        })));
    }
}

impl<A: Adapter> End<A> {
    fn goes(&self, socket: Arc<Socket<A>>, reason: DisconnectReason, defer: fn(Arc<Socket<A>>)) {
        if self.has_gone.swap(true, Ordering::AcqRel) {
            defer(socket);
        } else {
            self.gates.goes(socket, Gone { handler: Arc::clone(&self.handler), reason, defer });
        }
    }
}

impl<A: Adapter> DisconnectHandler<A, ByGate> for EndGate<A> {
    fn call_with_defer(&self, socket: Arc<Socket<A>>, reason: DisconnectReason, defer: fn(Arc<Socket<A>>)) {
        self.0.goes(socket, reason, defer);
    }
}
