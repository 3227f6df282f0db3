//! Refusals of events that found their queue full. Under a flood there are many: each is kept as a few bytes, and
//! one task a socket sends them, so that the events' own tasks end at once.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use socketioxide::{adapter::Adapter, socket::Socket};

use super::peer::Reply;
use crate::error::{Error, ErrorKind};

/// So many refusals may wait; a client that reads so little is disconnected.
const MOST: usize = 250_000;

/// The refusals of one socket that are not sent yet.
#[derive(Default)]
struct Refusals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// The acknowledgement that the client waits for, if it does.
    acks: VecDeque<Option<i64>>,
    is_sent: bool,
}

/// Tells the client, in its turn, that an event was refused.
pub(super) fn refuse<A: Adapter>(socket: &Arc<Socket<A>>, ack_id: Option<i64>) {
    let refusals = socket.extensions.get::<Arc<Refusals>>().unwrap_or_else(|| {
        let refusals = Arc::<Refusals>::default();
        socket.extensions.insert(Arc::clone(&refusals));
        refusals
    });
    let mut waiting = refusals.0.lock();
    if waiting.acks.len() == MOST {
        Reply::to_event(socket, None).give_up();
        return;
    }
    waiting.acks.push_back(ack_id);
    if !std::mem::replace(&mut waiting.is_sent, true) {
        drop(waiting);
        tokio::spawn(send(Arc::downgrade(socket), refusals));
    }
}

async fn send<A: Adapter>(socket: Weak<Socket<A>>, refusals: Arc<Refusals>) {
    let error = Error::new(ErrorKind::TooManyWaiters);
    while let Some(ack_id) = refusals.next()
        && let Some(socket) = socket.upgrade()
    {
        Reply::to_event(&socket, ack_id).own_error(&error).await;
    }
}

impl Refusals {
    #[allow(
        clippy::option_option,
        reason = "there is one to send, and it may answer an event that awaits none"
    )]
    fn next(&self) -> Option<Option<i64>> {
        let mut waiting = self.0.lock();
        let next = waiting.acks.pop_front();
        waiting.is_sent = next.is_some();
        next
    }
}
