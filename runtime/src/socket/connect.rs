//! What `#[connect_handler]` expands to. Whatever must be waited for is awaited before
//! CONNECT is answered; then the user's function starts without a wait. What its client sends before its first wait is kept
//! (`gates`).

use std::{
    fmt::Display,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
pub use socketioxide::{adapter::Adapter, handler::FromConnectParts};
use socketioxide::{extract::SocketRef, handler::Value, socket::Socket};

use super::{
    arguments::FromConnect,
    binding,
    event::outcome_of,
    gates::Gates,
    live,
    middleware::{Refusal, arrive, begin_watched, observed},
    reply::{Reply, Said},
};
use crate::{
    backend::Keys,
    call::{
        access::States,
        held::Held,
        returned::{IsError, Returned},
        running_call::{Concluded, RunningCall},
    },
    error::Error,
    panics::Contained,
    telemetry::Kind,
};

/// What CONNECT waits for.
pub(super) type Prepared<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn Display + Send>>> + Send + 'a>>;

/// The function that stands below `#[connect_handler]`, over the adapters that it can be called with.
pub trait ConnectFunction<A: Adapter>: 'static {
    /// As the user wrote it, for the log.
    const NAME: &'static str;
    /// What it takes of the session.
    type States: States;
    /// What else it takes.
    type Arguments: FromConnect<A>;

    /// Runs it, from its states to its commit.
    fn run(
        held: Held<Self::States, Connected<A>>,
        arguments: Self::Arguments,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// The socket of a connect handler.
pub struct Connected<A: Adapter> {
    socket: Arc<Socket<A>>,
    reply: Reply,
    gates: Arc<Gates<A>>,
}

/// Waits between the middlewares and CONNECT, in the socket's extensions. If the client goes, the socket is
/// dropped, and the turn with it.
struct Waiting<A: Adapter, P>(Arc<Mutex<Option<Ready<A, P>>>>);

/// The call of a connect handler, with its states, and the gates that wait for it.
type Ready<A, P> = (Box<RunningCall<P>>, Arc<Gates<A>>);

impl<A: Adapter, P> Clone for Waiting<A, P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Before CONNECT: binds the socket to its session, waits for the turn and loads the states. `kept`: those that the
/// disconnect handler may want after the session's end.
pub(super) async fn prepare<A: Adapter, F: ConnectFunction<A>>(
    socket: Arc<Socket<A>>,
    gates: Arc<Gates<A>>,
    kept: &'static [&'static str],
) -> Result<(), Box<dyn Display + Send>> {
    if !kept.is_empty() {
        see::<A>(&socket, kept, F::States::KEYS).await.map_err(refusal)?;
    }
    let observed = observed(Kind::Connect, &socket);
    let arrived = arrive::<F::States, A>(&socket);
    let call =
        begin_watched(arrived, F::NAME, observed).await.map_err(|refusal| Box::new(refusal) as Box<_>)?;
    live::hold(&socket);
    socket.extensions.insert(Waiting(Arc::new(Mutex::new(Some((call, gates))))));
    Ok(())
}

/// Keeps from now on what the connection has last seen of these states; sees them first, unless the connect function will.
async fn see<A: Adapter>(
    socket: &Arc<Socket<A>>,
    kept: &'static [&'static str],
    seen_by_function: &[&str],
) -> Result<(), Error> {
    let binding = binding::bound(socket).ok_or_else(|| binding::missing(socket))?;
    binding.live().keep_last_seen(kept);
    if kept.iter().any(|key| !seen_by_function.contains(key)) {
        binding.live().load(Keys::Only(kept)).await?;
    }
    Ok(())
}

fn refusal(error: Error) -> Box<dyn Display + Send> {
    Box::new(Refusal::own(error))
}

/// After CONNECT: extracts the arguments, and starts the user's function at once, on this task, as far as its first wait;
/// the rest goes on a task of its own.
#[allow(clippy::ref_option, reason = "socketioxide's extractors take it so")]
pub(super) fn start<A: Adapter, F: ConnectFunction<A>>(socket: &Arc<Socket<A>>, auth: &Option<Value>) {
    let Some(waiting) = socket.extensions.remove::<Waiting<A, F::States>>() else { return };
    let Some((call, gates)) = waiting.0.lock().take() else { return };
    call.extracts();
    let reply = Reply::to_event(socket, None);
    let connected = Connected { socket: Arc::clone(socket), reply, gates: Arc::clone(&gates) };
    let arguments = match F::Arguments::from_connect(socket, auth) {
        Ok(arguments) => arguments,
        Err(why) => {
            why.log("connect", F::NAME, F::States::KEYS, call.live().known_key().as_deref());
            call.refuse(&why.error);
            connected.gates.fail();
            tokio::spawn(async move { connected.is_not_set_up(Some(Said::Error(&why.error))).await });
            return;
        }
    };
    let mut function = Box::pin(F::run(Held { call, context: connected }, arguments));
    let mut context = Context::from_waker(Waker::noop());
    if pin!(&mut function).poll(&mut context) == Poll::Pending {
        gates.open(socket);
        tokio::spawn(function);
    }
    if !gates.have_failed() {
        live::begin(socket);
    }
}

/// Commits or discards. A client that was told CONNECT already hears of a failure by `session_error`. If there was one
/// before the first wait, or the commit failed, it is disconnected.
pub async fn finish<A: Adapter, P: States, T, E: IsError>(
    held: Held<P, Connected<A>>,
    returned: Returned<T, E>,
) {
    let Held { call, context: connected } = held;
    let returned = Contained::new(returned);
    let outcome = outcome_of(&returned);
    let failed_early = !matches!(*returned, Returned::Value(_)) && connected.gates.fail();
    let Concluded { work, ends_session, handler, live, .. } = call.conclude(outcome);
    let error = match (work.outcome().await, &*returned) {
        (Err(error), _) => Some(error),
        (Ok(()), Returned::Panicked(panicked)) => Some(panicked.error()),
        (Ok(()), Returned::Value(_) | Returned::Error(_)) => None,
    };
    if let Some(error) = &error {
        live.log(error, "a connect handler", handler, P::KEYS);
    }
    let commit_failed = error.is_some() && matches!(*returned, Returned::Value(_));
    let said = match (&error, &*returned) {
        (Some(error), _) => Some(Said::Error(error)),
        (None, Returned::Error(error)) => Some(Said::error(error)),
        (None, Returned::Value(_) | Returned::Panicked(_)) => None,
    };
    if failed_early || commit_failed {
        connected.gates.fail();
        connected.is_not_set_up(said).await;
    } else if let Some(said) = said {
        connected.reply.say(said).await;
    }
    connected.gates.settle(&connected.socket);
    connected.reply.end_sockets(ends_session);
}

impl<A: Adapter> Connected<A> {
    /// Tells the client so, refuses what it has sent since CONNECT, and ends the socket.
    async fn is_not_set_up(&self, why: Option<Said<'_>>) {
        if let Some(why) = why {
            self.reply.say(why).await;
        }
        self.gates.refuse(&self.socket).await;
        binding::disconnect(SocketRef::from(Arc::clone(&self.socket))).await;
    }
}
