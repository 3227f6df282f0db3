//! A socket over any adapter: answering it, telling it of an error, and ending it.

use std::{
    ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use serde::Serialize;
use socketioxide::{
    SendError, SocketError, SocketIo,
    adapter::Adapter,
    extract::{AckSender, SocketRef},
    handler::{FromConnectParts, FromMessageParts, Value},
    socket::Socket,
};
use tokio::time::{Instant, sleep};

use super::refusals;
use crate::{
    call::connection::Binding,
    error::{Error, ErrorKind},
    http::plain_session::PlainStore,
    process::{
        Registry, SessionSocket,
        disconnects::{CONNECTING, Cause, disconnect as disconnect_sockets, disconnect_those_left},
    },
    session::id::SessionId,
};

/// How long to wait for room in a full buffer before looking again: the first time, and at most.
const ROOM: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// So many answers of one connection may wait for room; a client that reads so little is disconnected.
const MOST_WAITING: usize = 20_000;

/// What [`Peer::try_send`] came to.
enum Sent {
    Yes,
    /// The connection's buffer is full.
    Full,
    /// The client is not there any more.
    Gone,
    NotEncoded(Error),
}

type Data<'a> = &'a (dyn erased_serde::Serialize + Sync);

/// What to send.
#[derive(Clone, Copy)]
enum Packet {
    Ack(i64),
    SessionError,
}

/// A [`Socket`] whose adapter is forgotten, so that a handler's wrapper needs no type parameter.
trait Peer: Send + Sync {
    fn try_send(self: Arc<Self>, packet: Packet, data: Data<'_>) -> Sent;
    /// Ends the socket in all namespaces of its connection.
    fn end(self: Arc<Self>);
    /// Keeps the refusal of an event to send it when there is room.
    fn refuse(self: Arc<Self>, ack_id: Option<i64>);
}

impl<A: Adapter> Peer for Socket<A> {
    fn try_send(self: Arc<Self>, packet: Packet, data: Data<'_>) -> Sent {
        let result = match packet {
            Packet::Ack(id) => {
                let mut unread = Value::Bytes(bytes::Bytes::new());
                match AckSender::from_message_parts(&self, &mut unread, &Some(id)) {
                    Ok(sender) => sender.send(data),
                    Err(never) => match never {},
                }
            }
            Packet::SessionError => self.emit("session_error", data),
        };
        match result {
            Ok(()) => Sent::Yes,
            Err(SendError::Socket(SocketError::InternalChannelFull)) => Sent::Full,
            Err(SendError::Socket(SocketError::Closed)) => Sent::Gone,
            Err(SendError::Serialize(error)) => Sent::NotEncoded(
                Error::with_text(ErrorKind::Encode, "the answer could not be serialised").because(error),
            ),
        }
    }

    fn end(self: Arc<Self>) {
        end_everywhere(self);
    }

    fn refuse(self: Arc<Self>, ack_id: Option<i64>) {
        refusals::refuse(&self, ack_id);
    }
}

/// Where the answer to one event goes.
pub(super) struct Reply {
    peer: Arc<dyn Peer>,
    binding: Option<Binding>,
    kind: ReplyKind,
}

#[derive(Clone, Copy)]
enum ReplyKind {
    /// An acknowledgement that the client waits for.
    Ack(i64),
    /// The client waits for none: it hears of errors only.
    NoAck,
    /// Nobody is there any more (a disconnect handler).
    Nobody,
}

/// The payload of an error that a handler returned.
#[derive(Serialize)]
struct Failed<E> {
    error: E,
}

impl Reply {
    pub(super) fn to_event<A: Adapter>(socket: &Arc<Socket<A>>, ack_id: Option<i64>) -> Self {
        let kind = ack_id.map_or(ReplyKind::NoAck, ReplyKind::Ack);
        Self { peer: Arc::clone(socket) as _, binding: tied(socket), kind }
    }

    pub(super) fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    pub(super) fn to_nobody<A: Adapter>(socket: &Arc<Socket<A>>) -> Self {
        Self { kind: ReplyKind::Nobody, ..Self::to_event(socket, None) }
    }

    /// Acknowledges what the handler returned.
    pub(super) async fn value<T: Serialize + Sync>(&self, value: &T) {
        if let ReplyKind::Ack(id) = self.kind
            && let Err(error) = self.send(Packet::Ack(id), value).await
        {
            error.log("an acknowledgement");
            self.own_error(&error).await;
        }
    }

    /// Tells the client of the error that the handler returned.
    pub(super) async fn user_error<E: Serialize + Sync>(&self, error: &E) {
        if let Err(error) = self.error(&Failed { error }).await {
            error.log("an error to acknowledge");
            self.own_error(&error).await;
        }
    }

    /// Tells the client of an error of this crate.
    pub(super) async fn own_error(&self, error: &Error) {
        self.error(error).await.ok();
    }

    /// Tells the client that its event found the queue full.
    pub(super) fn refused(&self) {
        let ack_id = match self.kind {
            ReplyKind::Ack(id) => Some(id),
            ReplyKind::NoAck => None,
            ReplyKind::Nobody => return,
        };
        Arc::clone(&self.peer).refuse(ack_id);
    }

    /// The client reads too little of what it asked for: it is disconnected, and nothing more is kept for it.
    pub(super) fn give_up(&self) {
        let first = self.binding.as_ref().is_some_and(Binding::give_up);
        if first {
            tracing::warn!("a client that does not read its answers is disconnected");
            Arc::clone(&self.peer).end();
        }
    }

    /// Ends the socket itself, whose session has ended, if whoever ended it does not.
    pub(super) fn end_socket(&self) {
        if !matches!(self.kind, ReplyKind::Nobody) {
            let peer = Arc::clone(&self.peer);
            tokio::spawn(async move {
                Cause::FoundEnded.wait().await;
                peer.end();
            });
        }
    }

    /// Disconnects the sockets of a session that has ended: after the answer of the event that ended it, and those of
    /// events before it. `by_this`: this event did; else they are left to the one that did, for a while.
    pub(super) fn end_sockets(&self, by_this: bool) {
        let Some(binding) = self.binding.as_ref().filter(|binding| binding.live().has_sockets()) else {
            return;
        };
        let live = Arc::clone(binding.live());
        if by_this {
            disconnect_sockets(live.take_sockets(), Cause::Answer);
        } else {
            disconnect_those_left(Cause::FoundEnded, move || live.take_sockets());
        }
    }

    async fn error<E: Serialize + Sync>(&self, error: &E) -> Result<(), Error> {
        match self.kind {
            ReplyKind::Ack(id) => self.send(Packet::Ack(id), error).await,
            ReplyKind::NoAck => self.send(Packet::SessionError, error).await,
            ReplyKind::Nobody => Ok(()),
        }
    }

    async fn send<T: Serialize + Sync>(&self, packet: Packet, data: &T) -> Result<(), Error> {
        match Arc::clone(&self.peer).try_send(packet, data) {
            Sent::Yes | Sent::Gone => Ok(()),
            Sent::NotEncoded(error) => Err(error),
            // Boxed: a handler's future need not have room for what is rare.
            Sent::Full => Box::pin(self.send_when_there_is_room(packet, data)).await,
        }
    }

    /// Waits for room while the client is there. One at a time of a connection looks for room; the others wait in
    /// line.
    async fn send_when_there_is_room(&self, packet: Packet, data: Data<'_>) -> Result<(), Error> {
        let mut waiting = None;
        let mut turn = None;
        let mut pause = ROOM.0;
        loop {
            match Arc::clone(&self.peer).try_send(packet, data) {
                Sent::Yes | Sent::Gone => return Ok(()),
                Sent::NotEncoded(error) => return Err(error),
                Sent::Full => {}
            }
            let Some(binding) = &self.binding else {
                sleep(pause).await;
                continue;
            };
            if waiting.is_none() {
                waiting = binding.wait_for_room(MOST_WAITING);
                if waiting.is_none() {
                    self.give_up();
                    return Ok(());
                }
            }
            if turn.is_none() {
                turn = Some(binding.full_buffer().lock().await);
            } else {
                sleep(pause).await;
                pause = (pause * 2).min(ROOM.1);
            }
            if binding.was_given_up() {
                return Ok(());
            }
        }
    }
}

/// What the handshake left for the sockets of its connection.
pub(super) fn binding_of<A: Adapter>(socket: &Socket<A>) -> Option<Binding> {
    socket.req_parts().extensions.get::<Arc<PlainStore>>()?.binding().cloned()
}

/// What the handshake left for the sockets of its connection. Ties the socket to its session, until the socket is
/// gone, unless it is tied already.
pub(super) fn tied<A: Adapter>(socket: &Arc<Socket<A>>) -> Option<Binding> {
    if let Some(tie) = socket.extensions.get::<Tie>() {
        return Some(tie.binding);
    }
    let binding = binding_of(socket)?;
    let live = binding.live();
    if live.is_stored() {
        let (id, registry) = (live.id(), live.registry().clone());
        let bound = Arc::new(BoundSocket { socket: Arc::downgrade(socket), id, registry });
        bound.registry.sockets().bind(id, Arc::downgrade(&bound) as _);
        // The socket's own extensions keep it tied, and its end unties it: the disconnect handler is the user's.
        socket.extensions.insert(Tie { binding: binding.clone(), _bound: bound });
    }
    Some(binding)
}

/// What ties a socket to its session.
#[derive(Clone)]
struct Tie {
    binding: Binding,
    /// The registry knows it weakly.
    _bound: Arc<dyn SessionSocket>,
}

/// A socket as the registry knows it. Weak: sockets are socketioxide's. It holds no binding: the binding's handle may
/// hold it, to disconnect it.
struct BoundSocket<A: Adapter> {
    socket: Weak<Socket<A>>,
    id: SessionId,
    registry: Registry,
}

impl<A: Adapter> SessionSocket for BoundSocket<A> {
    fn leave_rooms(&self) {
        for socket in self.socket.upgrade().into_iter().flat_map(of_all_namespaces) {
            socket.leave_all();
        }
    }

    fn disconnect(self: Arc<Self>) {
        if let Some(socket) = self.socket.upgrade() {
            end_everywhere(socket);
        }
    }
}

impl<A: Adapter> Drop for BoundSocket<A> {
    fn drop(&mut self) {
        self.registry.sockets().unbind(self.id, ptr::from_ref(self).cast());
    }
}

fn end_everywhere<A: Adapter>(socket: Arc<Socket<A>>) {
    for socket in of_all_namespaces(socket) {
        tokio::spawn(disconnect(socket));
    }
}

/// The sockets of the connection: they have the same id in each namespace.
fn of_all_namespaces<A: Adapter>(socket: Arc<Socket<A>>) -> Vec<SocketRef<A>> {
    let Ok(io) = SocketIo::from_connect_parts(&socket, &None);
    let mut sockets: Vec<_> = io.nsps().iter().filter_map(|ns| ns.get_socket(socket.id)).collect();
    if sockets.iter().all(|found| found.ns() != socket.ns()) {
        sockets.push(SocketRef::from(socket));
    }
    sockets
}

/// Ends a socket in its namespace. Waits for room in a full buffer, for the client is told; and shortly for a
/// CONNECT that is under way.
pub(super) async fn disconnect<A: Adapter>(socket: SocketRef<A>) {
    let mut pause = ROOM.0;
    let deadline = Instant::now() + CONNECTING;
    while socket.connected() || Instant::now() < deadline {
        if socket.connected() && !matches!(socket.clone().disconnect(), Err(SocketError::InternalChannelFull))
        {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(ROOM.1);
    }
}
