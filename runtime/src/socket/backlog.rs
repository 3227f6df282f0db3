//! What a client that reads too little has not been told yet. Answers wait for room in the connection's buffer, in line;
//! refusals of a flood are kept as a few bytes each, and one task a socket sends them, so that the events' own tasks end
//! at once.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use socketioxide::{adapter::Adapter, socket::Socket};
use tokio::time::sleep;

use crate::{
    call::backlog::Backlog,
    error::{Error, ErrorKind},
};

/// The pause before the next look for room in a full buffer: the first one, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// So many refusals of one socket may wait; a client that reads so little is disconnected.
const MOST_REFUSALS: usize = 250_000;

/// What a try to send came to.
pub(super) enum Sent {
    Yes,
    /// The connection's buffer is full.
    Full,
    /// The client is not there any more.
    Gone,
    NotEncoded(Error),
}

/// Waits for room while the client is there. `false`: too many wait already, and the client must be given
/// up. One at a time of a connection looks for room; the others wait in line, so that answers leave in their order.
pub(super) async fn send_when_there_is_room(
    backlog: Option<&Backlog>,
    send: impl Fn() -> Sent,
) -> Result<bool, Error> {
    let slot = backlog.map(Backlog::enter);
    if matches!(slot, Some(None)) {
        return Ok(false);
    }
    let _first = match backlog {
        Some(backlog) => Some(backlog.first().await),
        None => None,
    };
    let mut pause = PAUSE.0;
    loop {
        if backlog.is_some_and(Backlog::was_given_up) {
            return Ok(true);
        }
        match send() {
            Sent::Yes | Sent::Gone => return Ok(true),
            Sent::NotEncoded(error) => return Err(error),
            Sent::Full => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// The acknowledgement that the client waits for, if it does, and why its event is refused.
pub(super) type Refusal = (Option<i64>, ErrorKind);

/// The refusals of one socket that are not sent yet.
#[derive(Default)]
struct Refusals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    refusals: VecDeque<Refusal>,
    is_sent: bool,
}

/// Keeps the refusal of an event until its turn to be told comes. `false`: too many wait already, and the client must be
/// given up.
pub(super) fn keep_refusal<A: Adapter, F: Future<Output = ()> + Send>(
    socket: &Arc<Socket<A>>,
    refusal: Refusal,
    tell: impl Fn(Arc<Socket<A>>, Refusal) -> F + Send + 'static,
) -> bool {
    let refusals = socket.extensions.get::<Arc<Refusals>>().unwrap_or_else(|| {
        let refusals = Arc::<Refusals>::default();
        socket.extensions.insert(Arc::clone(&refusals));
        refusals
    });
    let mut waiting = refusals.0.lock();
    if waiting.refusals.len() == MOST_REFUSALS {
        return false;
    }
    waiting.refusals.push_back(refusal);
    if !std::mem::replace(&mut waiting.is_sent, true) {
        drop(waiting);
        let socket = Arc::downgrade(socket);
        tokio::spawn(async move {
            while let Some(refusal) = refusals.next()
                && let Some(socket) = socket.upgrade()
            {
                tell(socket, refusal).await;
            }
        });
    }
    true
}

impl Refusals {
    fn next(&self) -> Option<Refusal> {
        let mut waiting = self.0.lock();
        let next = waiting.refusals.pop_front();
        waiting.is_sent = next.is_some();
        next
    }
}
