//! What `#[socket_handler]` expands to: `begin`, the user's function, `finish`.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc};

use futures_util::poll;
use parking_lot::Mutex;
use serde::Serialize;
use socketioxide::{
    adapter::Adapter,
    extract::AckSender,
    handler::{FromDisconnectParts, FromMessageParts, Value},
    socket::{DisconnectReason, Socket},
};

use super::reply::Reply;
use crate::{
    backend::Answer,
    call::{
        access::States, detached::Committed, held::Held, outcome::Outcome, returned::Returned,
        running_call::ArrivedCall,
    },
    error::{Error, ErrorKind},
};

/// An event whose places in the queues are taken: when its packet was read, before its handler's task began.
pub struct Call<P> {
    arrived: Mutex<Result<ArrivedCall<P>, Error>>,
    reply: Reply,
}

impl<P: States> Call<P> {
    fn new(reply: Reply) -> Self {
        let arrived = match reply.binding() {
            Some(binding) => ArrivedCall::at(binding.live(), None),
            None => Err(Error::new(ErrorKind::LayerMissing)),
        };
        Self { arrived: Mutex::new(arrived), reply }
    }
}

impl<A: Adapter, P: States> FromMessageParts<A> for Call<P> {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket<A>>,
        _: &mut Value,
        ack_id: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self::new(Reply::to_event(socket, *ack_id)))
    }
}

impl<A: Adapter, P: States> FromDisconnectParts<A> for Call<P> {
    type Error = Infallible;

    fn from_disconnect_parts(socket: &Arc<Socket<A>>, _: DisconnectReason) -> Result<Self, Infallible> {
        Ok(Self::new(Reply::to_nobody(socket)))
    }
}

/// How an event is answered.
pub struct Answering {
    reply: Reply,
    /// The handler took `AckSender`: on success nothing more is acknowledged.
    acknowledges_itself: bool,
}

/// Waits for the turn and loads the states. `None` if they cannot be had: the client is told by then.
pub fn begin<P: States>(
    call: Call<P>,
    acknowledges_itself: bool,
) -> impl Future<Output = Option<Held<P, Answering>>> + Send {
    let Call { arrived, reply } = call;
    let begun = match arrived.into_inner() {
        Ok(arrived) => arrived.begin(),
        Err(error) => Answer::Ready(Err(error)),
    };
    async move {
        match begun.await {
            Ok(call) => Some(Held { call, context: Answering { reply, acknowledges_itself } }),
            Err(error) => {
                Box::pin(refuse(reply, error)).await;
                None
            }
        }
    }
}

async fn refuse(reply: Reply, error: Error) {
    error.log("a socket handler");
    if error.kind() == ErrorKind::TooManyWaiters {
        reply.refused();
        return;
    }
    reply.own_error(&error).await;
    reply.end_sockets(false);
    if error.kind() == ErrorKind::SessionEnded {
        reply.end_socket();
    }
}

/// Commits or discards, and answers after it.
pub fn finish<P: States, T: Serialize + Send + Sync, E: Serialize + Send + Sync + 'static>(
    held: Held<P, Answering>,
    returned: Returned<T, E>,
) -> impl Future<Output = ()> + Send {
    let Held { call, context: Answering { reply, acknowledges_itself } } = held;
    let ends_session = call.ends_session();
    let concluded = call.conclude(outcome_of(&returned));
    async move {
        let Committed { outcome, turn } = concluded.await;
        {
            let mut answer = pin!(answer(&reply, outcome, returned, acknowledges_itself));
            // The answer goes before the next call is woken: it is sent together with those of the calls that come
            // now. But the turn does not wait for room.
            let answered = poll!(answer.as_mut());
            drop(turn);
            if answered.is_pending() {
                answer.await;
            }
        }
        reply.end_sockets(ends_session);
    }
}

pub(super) fn outcome_of<T, E>(returned: &Returned<T, E>) -> Outcome {
    match returned {
        Returned::Value(_) => Outcome::Normal,
        Returned::Error(_) => Outcome::Failed,
        Returned::Panicked(_) => Outcome::Panicked,
    }
}

async fn answer<T: Serialize + Sync, E: Serialize + Sync + 'static>(
    reply: &Reply,
    outcome: Result<(), Error>,
    returned: Returned<T, E>,
    acknowledges_itself: bool,
) {
    if let Err(error) = outcome {
        error.log("a socket handler");
        return reply.own_error(&error).await;
    }
    match returned {
        Returned::Value(_) if acknowledges_itself => {}
        Returned::Value(value) => reply.value(&value).await,
        Returned::Error(error) => tell(reply, &error).await,
        Returned::Panicked(panicked) => {
            let error = panicked.error();
            error.log("a socket handler");
            reply.own_error(&error).await;
        }
    }
}

/// Tells the client of a handler's error: `{"error": e}`, but of an error of this crate, passed on with `?`, with
/// its code.
pub(super) async fn tell<E: Serialize + Sync + 'static>(reply: &Reply, error: &E) {
    match (error as &dyn std::any::Any).downcast_ref::<Error>() {
        Some(own) => reply.own_error(own).await,
        None => reply.user_error(error).await,
    }
}

/// An argument of a handler, of which it is asked whether it is an `AckSender`.
pub struct Argument<'a, T>(pub &'a T);

/// It is.
#[allow(clippy::wrong_self_convention, reason = "a probe is consumed: its method is chosen by autoref")]
pub trait TakesAck {
    /// Whether the handler acknowledges by itself.
    fn is_ack_sender(self) -> bool;
}

impl<A: Adapter> TakesAck for Argument<'_, AckSender<A>> {
    fn is_ack_sender(self) -> bool {
        true
    }
}

/// It is not.
#[allow(clippy::wrong_self_convention, reason = "a probe is consumed: its method is chosen by autoref")]
pub trait TakesNoAck {
    /// Whether the handler acknowledges by itself.
    fn is_ack_sender(self) -> bool;
}

impl<T> TakesNoAck for &Argument<'_, T> {
    fn is_ack_sender(self) -> bool {
        false
    }
}
