//! What `#[socket_handler]` expands to: the event with its arguments, `begin`, the user's function, `finish`.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, IntoFuture as _},
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
};

use futures_util::poll;
use parking_lot::Mutex;
use socketioxide::{
    adapter::Adapter,
    extract::AckSender,
    handler::{FromDisconnectParts, FromMessage, Value},
    socket::{DisconnectReason, Socket},
};

use super::{
    arguments::{Arguments, FromDisconnect, FromEvent, NotExtracted},
    encoding::Encoding,
    reply::{Reply, Said},
};
use crate::{
    backend::Answer,
    call::{
        access::States,
        current_call::{CallNumber, Caller},
        detached::Committed,
        held::Held,
        live_session::LiveSession,
        outcome::Outcome,
        returned::{IsError, IsValue, Returned},
        running_call::{ArrivedCall, Concluded, RunningCall},
    },
    error::{Error, ErrorKind},
    panics::Contained,
    telemetry::{About, Kind, Observed, Scene},
};

/// An event, or the end of a socket. Its arguments are extracted, and then its places in the queues taken, when its packet
/// is read, before its handler's task begins. `F`: the types of the arguments.
pub struct Event<P, F: Arguments>(Result<(Call<P>, F::Values), Box<Refused>>);

/// A call whose places in the queues are taken.
pub struct Call<P> {
    arrived: Mutex<Result<ArrivedCall<P>, Error>>,
    reply: Reply,
    encoding: Encoding,
    observed: Observed,
}

/// A call that is not begun, because an argument could not be extracted; or because it is none, and only its states were
/// asked for (`None`). It has no place in any queue.
pub struct Refused(Option<NotCalled>);

struct NotCalled {
    why: Box<NotExtracted>,
    event: String,
    states: &'static [&'static str],
    reply: Reply,
    observed: Observed,
}

/// Marks how an [`Event`] is extracted whose last argument is extracted as `M` says.
#[derive(Debug)]
pub struct OfEvent<M>(PhantomData<fn() -> M>);

impl<A, M, P, F> FromMessage<A, OfEvent<M>> for Event<P, F>
where
    A: Adapter,
    P: States,
    F: FromEvent<A, M>,
{
    type Error = Infallible;

    fn from_message(socket: Arc<Socket<A>>, value: Value, ack_id: Option<i64>) -> Result<Self, Infallible> {
        let (reply, encoding) = (Reply::to_event(&socket, ack_id), Encoding::of(&value));
        let observed = Observed::arrives(Kind::Event, || About {
            event: Some(reply.event_of(value.clone())),
            namespace: Some(socket.ns().to_owned()),
            ..About::default()
        });
        // The last argument takes the value itself, and only the value knows the event's name.
        let packet = value.clone();
        // The arguments belong to the call, which they come before.
        let number = reply.binding().map(|binding| CallNumber::next(binding.live().id()));
        let event = match F::from_event(socket, value, ack_id) {
            Ok(arguments) => {
                let arrived = arrived(&reply, number, ArrivedCall::at);
                Ok((Call { arrived: Mutex::new(arrived), reply, encoding, observed }, arguments))
            }
            Err(why) => {
                let event = reply.event_of(packet);
                Err(NotCalled { why, event, states: P::KEYS, reply, observed })
            }
        };
        Ok(Self(event.map_err(Refused::boxed)))
    }
}

impl<A, P, F> FromDisconnectParts<A> for Event<P, F>
where
    A: Adapter,
    P: States,
    F: FromDisconnect<A>,
{
    type Error = Infallible;

    fn from_disconnect_parts(socket: &Arc<Socket<A>>, reason: DisconnectReason) -> Result<Self, Infallible> {
        if only_asks_for(P::KEYS) {
            return Ok(Self(Err(Box::new(Refused(None)))));
        }
        let (reply, number) = Reply::to_nobody(socket);
        let observed = Observed::arrives(Kind::Disconnect, || About {
            event: Some("disconnect".to_owned()),
            namespace: Some(socket.ns().to_owned()),
            ..About::default()
        });
        let event = match F::from_disconnect(socket, reason) {
            Ok(arguments) => {
                let arrived = arrived(&reply, number, ArrivedCall::at_end_of_socket);
                let arrived = Mutex::new(arrived);
                Ok((Call { arrived, reply, encoding: Encoding::Json, observed }, arguments))
            }
            Err(why) => {
                let event = "disconnect".to_owned();
                Err(NotCalled { why, event, states: P::KEYS, reply, observed })
            }
        };
        Ok(Self(event.map_err(Refused::boxed)))
    }
}

/// What is asked of the type of an event whose handler is erased: its extractor is all of it that can be reached.
#[derive(Clone, Copy)]
enum Asked {
    Nothing,
    Asks,
    Told(&'static [&'static str]),
}

thread_local! {
    static ASKED: Cell<Asked> = const { Cell::new(Asked::Nothing) };
}

/// The keys of the states of a disconnect handler that takes an [`Event`], and that this calls: its function does not run.
pub(super) fn states_asked_for(call: impl FnOnce()) -> &'static [&'static str] {
    ASKED.set(Asked::Asks);
    call();
    match ASKED.replace(Asked::Nothing) {
        Asked::Told(states) => states,
        Asked::Nothing | Asked::Asks => &[],
    }
}

/// Whether nothing is to be extracted, and only these states were asked for.
fn only_asks_for(states: &'static [&'static str]) -> bool {
    let asks = matches!(ASKED.get(), Asked::Asks);
    if asks {
        ASKED.set(Asked::Told(states));
    }
    asks
}

/// The call with its places, of a socket that is bound.
fn arrived<P>(
    reply: &Reply,
    number: Option<CallNumber>,
    at: impl FnOnce(&Arc<LiveSession>, Caller) -> Result<ArrivedCall<P>, Error>,
) -> Result<ArrivedCall<P>, Error> {
    match (reply.binding(), number) {
        (Some(binding), Some(number)) => at(binding.live(), Caller::Socket(number)),
        _ => Err(reply.not_bound()),
    }
}

impl<P, F: Arguments> Event<P, F> {
    /// The call and its arguments.
    ///
    /// # Errors
    ///
    /// What is refused, because an argument could not be extracted.
    pub fn extracted(self) -> Result<(Call<P>, F::Values), Box<Refused>> {
        self.0
    }
}

impl Refused {
    fn boxed(not_called: NotCalled) -> Box<Self> {
        Box::new(Self(Some(not_called)))
    }

    /// Tells the client, and the log. `handler`: what is not called.
    pub fn tell(self: Box<Self>, handler: &'static str) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Some(NotCalled { why, event, states, reply, observed }) = self.0 else { return };
            let key = reply.binding().and_then(|binding| binding.live().known_key());
            observed.inside(|| why.log(&event, handler, states, key.as_deref()));
            observed.refused(handler, &why.error);
            reply.say(Said::Error(&why.error)).await;
        })
    }
}

/// Takes the places of a call on a socket. The arguments that are extracted after it belong to it.
pub(super) fn arrive<P: States>(live: &Arc<LiveSession>) -> Result<ArrivedCall<P>, Error> {
    ArrivedCall::at(live, Caller::Socket(CallNumber::next(live.id())))
}

/// How an event is answered.
pub struct Answering {
    reply: Reply,
    encoding: Encoding,
    /// The handler took `AckSender`: on success nothing more is acknowledged.
    acknowledges_itself: bool,
    /// It runs on what its connection has last seen.
    of_last_seen: bool,
}

/// Waits for the turn and loads the states. `None` if they cannot be had: the client is told by then.
/// `handler`: the user's function.
pub fn begin<P: States>(
    call: Call<P>,
    acknowledges_itself: bool,
    handler: &'static str,
) -> impl Future<Output = Option<Held<P, Answering>>> + Send {
    let Call { arrived, reply, encoding, observed } = call;
    let begun = match arrived.into_inner() {
        Ok(arrived) => arrived.begin(),
        Err(error) => Answer::Ready(Err(error)),
    };
    async move {
        match begun.await {
            Ok(mut call) => {
                call.of_handler(handler, observed);
                let context = Answering { reply, encoding, acknowledges_itself, of_last_seen: false };
                Some(Held { call, context })
            }
            Err(error) => Box::pin(not_begun(reply, error, handler, observed)).await,
        }
    }
}

/// The client is told; or, where it is gone, the handler runs on what its connection has last seen.
async fn not_begun<P: States>(
    reply: Reply,
    mut error: Error,
    handler: &'static str,
    observed: Observed,
) -> Option<Held<P, Answering>> {
    if let Some((live, number)) = reply.of_gone()
        && let Some(call) = RunningCall::of_last_seen(live, Caller::Socket(number))
    {
        match call {
            Ok(mut call) => {
                if !matches!(error.kind(), ErrorKind::SessionEnded | ErrorKind::IdChanged) {
                    const PLACE: &str =
                        "a disconnect handler, which runs on what its connection has last seen";
                    live.log(&error, PLACE, handler, P::KEYS);
                }
                call.of_handler(handler, observed);
                let encoding = Encoding::Json;
                let context = Answering { reply, encoding, acknowledges_itself: false, of_last_seen: true };
                return Some(Held { call, context });
            }
            Err(not_decoded) => error = not_decoded,
        }
    }
    observed.inside(|| log::<P>(&reply, &error, handler));
    observed.refused(handler, &error);
    refuse(reply, error).await;
    None
}

const PLACE: &str = "a socket handler";

fn log<P: States>(reply: &Reply, error: &Error, handler: &'static str) {
    match reply.binding() {
        Some(binding) => binding.live().log(error, PLACE, handler, P::KEYS),
        None => error.log_of(Scene { place: PLACE, handler: Some(handler), states: P::KEYS, key: None }),
    }
}

async fn refuse(reply: Reply, error: Error) {
    if error.kind() == ErrorKind::TooManyWaiters {
        reply.refused(ErrorKind::TooManyWaiters);
        return;
    }
    reply.say(Said::Error(&error)).await;
    reply.end_sockets(false);
    if error.kind() == ErrorKind::SessionEnded {
        reply.end_socket();
    }
}

/// Commits or discards, and answers after it.
pub fn finish<P, T, E>(
    held: Held<P, Answering>,
    returned: Returned<T, E>,
) -> impl Future<Output = ()> + Send + use<P, T, E>
where
    P: States,
    T: IsValue,
    E: IsError,
{
    let Held { call, context: Answering { reply, encoding, acknowledges_itself, of_last_seen } } = held;
    let returned = Contained::new(returned);
    let encodes = match &*returned {
        Returned::Value(value) if !acknowledges_itself => reply.encodes(value, encoding),
        _ => Ok(()),
    };
    let outcome = if encodes.is_ok() { outcome_of(&returned) } else { Outcome::Failed };
    let Concluded { work, ends_session, handler, .. } =
        if of_last_seen { call.conclude_unsaved(outcome) } else { call.conclude(outcome) };
    let due = Due { reply, returned, encodes, acknowledges_itself, ends_session, handler, states: P::KEYS };
    match work.now() {
        Ok(committed) if !committed.behind.is_passed_on() => due.answer(committed),
        waits => Answer::pending(async move {
            let committed = match waits {
                Ok(committed) => committed,
                Err(waits) => waits.await,
            };
            // In a run the next call may be told first that its commit is in.
            committed.behind.those_before_have_answered().await;
            due.answer(committed).await;
        }),
    }
    .into_future()
}

/// An event whose call is over.
struct Due<T, E> {
    reply: Reply,
    returned: Contained<Returned<T, E>>,
    encodes: Result<(), Error>,
    acknowledges_itself: bool,
    ends_session: bool,
    /// Whose call it was, for the log.
    handler: &'static str,
    states: &'static [&'static str],
}

impl<T, E> Due<T, E>
where
    T: IsValue,
    E: IsError,
{
    fn answer(self, committed: Committed) -> Answer<()> {
        let Committed { outcome, behind } = committed;
        let error = outcome.err().or_else(|| self.error());
        if let Some(error) = &error {
            self.log(error);
        }
        // The answer goes before the next call is woken: it is sent together with those of the calls that come now.
        if self.said(error.as_ref()).is_none_or(|said| self.reply.say_now(said)) {
            drop(behind);
            self.reply.end_sockets(self.ends_session);
            return Answer::Ready(());
        }
        Answer::pending(async move {
            if let Some(said) = self.said(error.as_ref()) {
                let mut answer = pin!(self.reply.wait_and_say(said));
                // It has its place in line. The turn does not wait for room.
                let answered = poll!(answer.as_mut());
                drop(behind);
                if answered.is_pending() {
                    answer.await;
                }
            }
            self.reply.end_sockets(self.ends_session);
        })
    }

    fn log(&self, error: &Error) {
        if let Some(binding) = self.reply.binding() {
            binding.live().log(error, PLACE, self.handler, self.states);
        }
    }

    /// An error of this crate that came of the call itself.
    fn error(&self) -> Option<Error> {
        match (&self.encodes, &*self.returned) {
            (Err(error), _) => Some(error.clone()),
            (Ok(()), Returned::Panicked(panicked)) => Some(panicked.error()),
            (Ok(()), Returned::Value(_) | Returned::Error(_)) => None,
        }
    }

    /// What the client is told. `error`: of this crate.
    fn said<'a>(&'a self, error: Option<&'a Error>) -> Option<Said<'a>> {
        match (error, &*self.returned) {
            (Some(error), _) => Some(Said::Error(error)),
            (None, Returned::Value(value)) => (!self.acknowledges_itself).then_some(Said::Value(value)),
            (None, Returned::Error(error)) => Some(Said::error(error)),
            (None, Returned::Panicked(_)) => None,
        }
    }
}

pub(super) fn outcome_of<T, E>(returned: &Returned<T, E>) -> Outcome {
    match returned {
        Returned::Value(_) => Outcome::Normal,
        Returned::Error(_) => Outcome::Failed,
        Returned::Panicked(_) => Outcome::Panicked,
    }
}

/// An argument of a handler, of which it is asked whether it is an `AckSender`.
pub struct Argument<'a, T>(pub &'a T);

/// How a handler answers: with what it returns. Until it takes an `AckSender`.
pub struct ByReturning;

/// How a handler answers that takes an `AckSender`.
pub struct ByAckSender;

/// How a handler answers, which is known by the types of its arguments.
pub trait Answered: Sized {
    /// Whether nothing more is acknowledged on success.
    const BY_ITSELF: bool;
    /// The same as a value.
    fn by_itself(&self) -> bool {
        Self::BY_ITSELF
    }
}

impl Answered for ByReturning {
    const BY_ITSELF: bool = false;
}

impl Answered for ByAckSender {
    const BY_ITSELF: bool = true;
}

/// What a handler returns that answers in this way.
pub trait MayReturn<T> {}

impl<T> MayReturn<T> for ByReturning {}

impl<T: IsNothing> MayReturn<T> for ByAckSender {}

/// Nothing that is acknowledged.
#[diagnostic::on_unimplemented(
    message = "a handler that takes `AckSender` answers by itself: it returns `()` or `Result<(), E>`",
    label = "would be dropped, and never sent",
    note = "send the value with the `AckSender`, or return it and take no `AckSender`"
)]
pub trait IsNothing {}

impl IsNothing for () {}

/// Demands that what is returned is sent, or nothing.
#[inline]
pub const fn may_return<W: MayReturn<T>, T, E>(_: &W, _: &Returned<T, E>) {}

/// It is one.
pub trait TakesAck {
    /// How a handler answers that has this argument as well.
    fn with<W>(self, others: W) -> ByAckSender;
}

impl<A: Adapter> TakesAck for Argument<'_, AckSender<A>> {
    fn with<W>(self, _: W) -> ByAckSender {
        ByAckSender
    }
}

/// It is none.
pub trait TakesNoAck {
    /// How a handler answers that has this argument as well.
    fn with<W>(self, others: W) -> W;
}

impl<T> TakesNoAck for &Argument<'_, T> {
    fn with<W>(self, others: W) -> W {
        others
    }
}
