//! The answer to one event, over any adapter: its acknowledgement, or what it hears of an error.

use std::{any::Any, sync::Arc};

use serde::Serialize;
use socketioxide::{
    SendError, SocketError,
    adapter::Adapter,
    extract::{AckSender, Event},
    handler::{FromMessageParts, Value},
    socket::Socket,
};

use super::{
    backlog::{self, Sent},
    binding,
    encoding::Encoding,
    error::Failed,
};
use crate::{
    call::{connection::Binding, current_call::CallNumber, live_session::LiveSession},
    error::{Error, ErrorKind},
    panics::caught,
    process::{
        Ending,
        disconnects::{Cause, disconnect, disconnect_those_left},
    },
};

type Data<'a> = &'a (dyn erased_serde::Serialize + Sync);

/// What is said to whoever sent an event.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    /// What its handler returned: for a client that waits for an acknowledgement.
    Value(Data<'a>),
    /// The error that its handler returned.
    Failure(Data<'a>),
    /// An error of this crate.
    Error(&'a Error),
}

impl<'a> Said<'a> {
    /// A handler's error: `{"error": e}`, but one of this crate, passed on with `?`, with its code.
    pub(super) fn error<E: Serialize + Sync + 'static>(error: &'a E) -> Self {
        match (error as &dyn Any).downcast_ref::<Error>() {
            Some(own) => Self::Error(own),
            None => Self::Failure(error),
        }
    }
}

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
    fn end(self: Arc<Self>, ended: Option<Ending>);
    /// Keeps the refusal of an event to send it when there is room.
    fn refuse(self: Arc<Self>, ack_id: Option<i64>, kind: ErrorKind);
    /// The name of the event in this packet.
    fn event_of(self: Arc<Self>, packet: Value) -> String;
    /// The error of a socket whose connection has no binding.
    fn not_bound(&self) -> Error;
}

impl<A: Adapter> Peer for Socket<A> {
    fn try_send(self: Arc<Self>, packet: Packet, data: Data<'_>) -> Sent {
        let send = || match packet {
            Packet::Ack(id) => {
                let mut unread = Value::Bytes(bytes::Bytes::new());
                match AckSender::from_message_parts(&self, &mut unread, &Some(id)) {
                    Ok(sender) => sender.send(data),
                    Err(never) => match never {},
                }
            }
            Packet::SessionError => self.emit("session_error", data),
        };
        match caught(|| Ok(send())) {
            Ok(Ok(())) => Sent::Yes,
            Ok(Err(SendError::Socket(SocketError::InternalChannelFull))) => Sent::Full,
            Ok(Err(SendError::Socket(SocketError::Closed))) => Sent::Gone,
            Ok(Err(SendError::Serialize(error))) => Sent::NotEncoded(not_encoded(error)),
            Err(panicked) => Sent::NotEncoded(panicked),
        }
    }

    fn end(self: Arc<Self>, ended: Option<Ending>) {
        binding::end_everywhere(&self, ended);
    }

    fn refuse(self: Arc<Self>, ack_id: Option<i64>, kind: ErrorKind) {
        let tell = |socket, (ack_id, kind)| async move {
            let error = Error::new(kind);
            Reply::to_event(&socket, ack_id).say(Said::Error(&error)).await;
        };
        if !backlog::keep_refusal(&self, (ack_id, kind), tell) {
            Reply::to_event(&self, None).give_up();
        }
    }

    fn event_of(self: Arc<Self>, mut packet: Value) -> String {
        Event::from_message_parts(&self, &mut packet, &None)
            .map_or_else(|_| String::new(), |Event(name)| name)
    }

    fn not_bound(&self) -> Error {
        binding::missing(self)
    }
}

fn not_encoded(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::with_text(ErrorKind::Encode, "the answer could not be serialised").because(error)
}

/// Where the answer to one event goes.
pub(super) struct Reply {
    peer: Arc<dyn Peer>,
    binding: Option<Binding>,
    kind: ReplyKind,
}

#[derive(Clone, Copy)]
enum ReplyKind {
    /// An acknowledgement that the client waits for; and the event's number among those of its connection.
    Ack(i64, u32),
    /// The client waits for none: it hears of errors only.
    NoAck,
    /// Nobody is there any more: a disconnect handler. Its call, if its socket is bound.
    Gone(CallNumber),
    Nobody,
}

impl Reply {
    pub(super) fn to_event<A: Adapter>(socket: &Arc<Socket<A>>, ack_id: Option<i64>) -> Self {
        let binding = binding::bound_by_event(socket);
        let number = || binding.as_ref().map_or(0, Binding::event_comes);
        let kind = ack_id.map_or(ReplyKind::NoAck, |id| ReplyKind::Ack(id, number()));
        Self { peer: Arc::clone(socket) as _, binding, kind }
    }

    pub(super) fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Of a disconnect handler, with its call.
    pub(super) fn to_nobody<A: Adapter>(socket: &Arc<Socket<A>>) -> (Self, Option<CallNumber>) {
        let reply = Self::to_event(socket, None);
        let number = reply.binding().map(|binding| CallNumber::next(binding.live().id()));
        (Self { kind: number.map_or(ReplyKind::Nobody, ReplyKind::Gone), ..reply }, number)
    }

    /// The session of a client that is gone, and the call of its disconnect handler.
    pub(super) fn of_gone(&self) -> Option<(&Arc<LiveSession>, CallNumber)> {
        match (&self.binding, self.kind) {
            (Some(binding), ReplyKind::Gone(number)) => Some((binding.live(), number)),
            _ => None,
        }
    }

    /// An error if this cannot be acknowledged: asked before the call commits.
    pub(super) fn encodes<T: Serialize>(&self, value: &T, encoding: Encoding) -> Result<(), Error> {
        match self.kind {
            ReplyKind::Ack(..) => caught(|| encoding.look_at(value).map_err(not_encoded)),
            ReplyKind::NoAck | ReplyKind::Gone(_) | ReplyKind::Nobody => Ok(()),
        }
    }

    /// Says it, if that can be done now: there is room, and it encodes.
    pub(super) fn say_now(&self, said: Said<'_>) -> bool {
        let Some(packet) = self.packet(said) else { return true };
        if self.binding().is_some_and(Binding::has_backlog) {
            return false;
        }
        match self.try_to_send(packet, said) {
            Sent::Yes => {
                self.leave_with_others();
                true
            }
            Sent::Gone => true,
            Sent::Full | Sent::NotEncoded(_) => false,
        }
    }

    /// Answers to events that came together are written together. The first one wakes the task that writes to the connection,
    /// and a worker of tokio runs next what was woken last: it would write that answer alone, and then each of the others. So
    /// a task that does nothing is woken after it, and the writing one comes behind the handlers that are ready by now.
    fn leave_with_others(&self) {
        if let (ReplyKind::Ack(_, event), Some(binding)) = (self.kind, self.binding())
            && binding.begins_several_answers(event)
        {
            tokio::spawn(async {});
        }
    }

    /// Says it, as soon as there is room.
    pub(super) async fn say(&self, said: Said<'_>) {
        if !self.say_now(said) {
            // Boxed: a handler's future need not have room for what is rare.
            Box::pin(self.wait_and_say(said)).await;
        }
    }

    /// Waits for room and says it; or, if it does not encode, that.
    pub(super) async fn wait_and_say(&self, said: Said<'_>) {
        let Some(packet) = self.packet(said) else { return };
        if let Err(error) = self.send_when_there_is_room(packet, said).await {
            error.log("an answer");
            self.send_when_there_is_room(packet, Said::Error(&error)).await.ok();
        }
    }

    pub(super) fn event_of(&self, packet: Value) -> String {
        Arc::clone(&self.peer).event_of(packet)
    }

    pub(super) fn not_bound(&self) -> Error {
        self.peer.not_bound()
    }

    /// Tells the client, when there is room, that nothing is done with its event.
    pub(super) fn refused(&self, kind: ErrorKind) {
        let ack_id = match self.kind {
            ReplyKind::Ack(id, _) => Some(id),
            ReplyKind::NoAck => None,
            ReplyKind::Gone(_) | ReplyKind::Nobody => return,
        };
        Arc::clone(&self.peer).refuse(ack_id, kind);
    }

    /// The client reads too little of what it asked for: it is disconnected, and nothing more is kept for it.
    pub(super) fn give_up(&self) {
        let first = self.binding.as_ref().is_some_and(|binding| binding.backlog().give_up());
        if first {
            tracing::warn!("a client that does not read its answers is disconnected");
            Arc::clone(&self.peer).end(None);
        }
    }

    /// Ends the socket itself, whose session has ended, if whoever ended it does not.
    pub(super) fn end_socket(&self) {
        if !matches!(self.kind, ReplyKind::Gone(_) | ReplyKind::Nobody) {
            let peer = Arc::clone(&self.peer);
            let live = self.binding.as_ref().map(Binding::live);
            let ended = live.and_then(|live| live.registry().ending(live.id())).unwrap_or(Ending::Expired);
            tokio::spawn(async move {
                Cause::FoundEnded.wait().await;
                peer.end(Some(ended));
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
            disconnect(live.take_sockets(), Cause::Answer);
        } else {
            disconnect_those_left(Cause::FoundEnded, move || live.take_sockets());
        }
    }

    /// How it is sent; `None` if nobody waits for it.
    fn packet(&self, said: Said<'_>) -> Option<Packet> {
        match (self.kind, said) {
            (ReplyKind::Ack(id, _), _) => Some(Packet::Ack(id)),
            (ReplyKind::NoAck, Said::Failure(_) | Said::Error(_)) => Some(Packet::SessionError),
            (ReplyKind::NoAck, Said::Value(_)) | (ReplyKind::Gone(_) | ReplyKind::Nobody, _) => None,
        }
    }

    fn try_to_send(&self, packet: Packet, said: Said<'_>) -> Sent {
        let peer = Arc::clone(&self.peer);
        match said {
            Said::Value(value) => peer.try_send(packet, value),
            Said::Failure(error) => peer.try_send(packet, &Failed { error }),
            Said::Error(error) => peer.try_send(packet, error),
        }
    }

    async fn send_when_there_is_room(&self, packet: Packet, said: Said<'_>) -> Result<(), Error> {
        let backlog = self.binding().map(Binding::backlog);
        let sent = backlog::send_when_there_is_room(backlog, || self.try_to_send(packet, said)).await?;
        if !sent {
            self.give_up();
        }
        Ok(())
    }
}
