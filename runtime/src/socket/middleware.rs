//! What `#[connect_middleware]` expands to, and how a call that connects begins.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use parking_lot::Mutex;
use socketioxide::{
    adapter::Adapter,
    handler::{FromConnectParts, Value},
    socket::Socket,
};

use super::{binding, event};
use crate::{
    backend::Keys,
    call::{
        access::States,
        held::Held,
        live_session::{LiveSession, Lookup},
        outcome::Outcome,
        running_call::{ArrivedCall, Concluded, RunningCall},
        scope::Panicked,
    },
    error::Error,
    panics::caught,
    telemetry::{About, Kind, Observed, Scene},
};

/// A connect middleware's call, whose places in the queues are taken.
pub struct Call<P> {
    arrived: Mutex<Result<AtConnect<P>, Error>>,
    observed: Observed,
}

impl<A: Adapter, P: States> FromConnectParts<A> for Call<P> {
    type Error = std::convert::Infallible;

    fn from_connect_parts(socket: &Arc<Socket<A>>, _: &Option<Value>) -> Result<Self, Self::Error> {
        let observed = observed(Kind::ConnectMiddleware, socket);
        Ok(Self { arrived: Mutex::new(arrive::<P, A>(socket)), observed })
    }
}

/// The call of a connection, as it is watched.
pub(super) fn observed<A: Adapter>(kind: Kind, socket: &Socket<A>) -> Observed {
    Observed::arrives(kind, || About { namespace: Some(socket.ns().to_owned()), ..About::default() })
}

/// Waits for the turn and loads the states. `handler`: the user's function.
///
/// # Errors
///
/// The text of the `connect_error`, if they cannot be had.
pub async fn begin<P: States>(call: Call<P>, handler: &'static str) -> Result<Held<P>, Refusal> {
    let call = begin_watched(call.arrived.into_inner(), handler, call.observed).await?;
    Ok(Held { call, context: () })
}

/// Begins the call of a connection. The log hears why it cannot.
pub(super) async fn begin_watched<P: States>(
    arrived: Result<AtConnect<P>, Error>,
    handler: &'static str,
    observed: Observed,
) -> Result<Box<RunningCall<P>>, Refusal> {
    let (live, begun) = match arrived {
        Ok((live, arrived)) => (Some(Arc::clone(&live)), begin_call((live, arrived)).await),
        Err(error) => (None, Err(error)),
    };
    match begun {
        Ok(mut call) => {
            call.of_handler(handler, observed);
            Ok(call)
        }
        Err(error) => {
            let key = live.and_then(|live| live.known_key());
            let scene = Scene { place: PLACE, handler: Some(handler), states: P::KEYS, key: key.as_deref() };
            observed.inside(|| error.log_of(scene));
            observed.refused(handler, &error);
            Err(Refusal(error.to_string()))
        }
    }
}

const PLACE: &str = "a connection";

/// What a connect middleware returned, with its error as text.
///
/// # Errors
///
/// The text.
pub fn verdict<V: IsVerdict>(returned: V) -> Result<(), Refusal> {
    returned.verdict()
}

/// What a connect middleware returns.
#[diagnostic::on_unimplemented(
    message = "a connect middleware decides, and `{Self}` is no decision",
    label = "is not `Result<(), E>` with an `E: Display`",
    note = "write `-> Result<(), E>`, where `E: Display` (as `String`) is what a refused client is told"
)]
pub trait IsVerdict {
    #[doc(hidden)]
    fn verdict(self) -> Result<(), Refusal>;
}

#[diagnostic::do_not_recommend]
impl<E: Display> IsVerdict for Result<(), E> {
    fn verdict(self) -> Result<(), Refusal> {
        self.map_err(|error| caught(move || Ok(error.to_string())).map_or_else(Refusal::own, Refusal))
    }
}

/// Commits, or discards and refuses the connection.
///
/// # Errors
///
/// The text of the `connect_error`.
pub async fn finish<P: States>(
    held: Held<P>,
    verdict: Result<Result<(), Refusal>, Panicked>,
) -> Result<(), Refusal> {
    let (outcome, refusal) = match verdict {
        Ok(Ok(())) => (Outcome::Normal, None),
        Ok(Err(refusal)) => (Outcome::Failed, Some(refusal)),
        Err(panicked) => {
            let call = &held.call;
            let refusal = Refusal::of_call::<P>(&panicked.error(), call.live(), call.handler());
            (Outcome::Panicked, Some(refusal))
        }
    };
    let Concluded { work, live, handler, .. } = held.call.conclude(outcome);
    work.outcome().await.map_err(|error| Refusal::of_call::<P>(&error, &live, handler))?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    // It may have taken long, and the session's sockets of that moment were disconnected meanwhile.
    not_ended(&live)
}

/// Refuses a socket whose session has ended while it was on its way.
pub(super) fn not_ended(live: &LiveSession) -> Result<(), Refusal> {
    live.registry().ending(live.id()).map_or(Ok(()), |ending| Err(Refusal::own(Error::new(ending.kind()))))
}

/// Takes the places in the queues, and binds the socket to its session.
pub(super) fn arrive<P: States, A: Adapter>(socket: &Arc<Socket<A>>) -> Result<AtConnect<P>, Error> {
    let binding = binding::bound(socket).ok_or_else(|| binding::missing(socket))?;
    let live = Arc::clone(binding.live());
    let arrived = event::arrive(&live)?;
    Ok((live, arrived))
}

/// A connection's session, and the call that has come.
pub(super) type AtConnect<P> = (Arc<LiveSession>, ArrivedCall<P>);

async fn begin_call<P: States>((live, arrived): AtConnect<P>) -> Result<Box<RunningCall<P>>, Error> {
    if P::KEYS.is_empty() {
        // No state to load, but the session must be there all the same.
        must_live(&live).await?;
    }
    let call = arrived.begin().await?;
    if let Some((attributes, expires)) = call.found() {
        live.watch(attributes, *expires);
    }
    Ok(call)
}

/// An error if the connection's session has ended. It may have none.
pub(super) async fn must_live(live: &LiveSession) -> Result<(), Error> {
    if let Lookup::Found(loaded) = live.load(Keys::Only(&[])).await? {
        live.watch(&loaded.attributes, loaded.expires);
    }
    Ok(())
}

/// The text of a `connect_error`.
#[derive(Debug)]
pub struct Refusal(String);

impl Refusal {
    #[allow(clippy::needless_pass_by_value, reason = "it is logged and done with")]
    pub(super) fn own(error: Error) -> Self {
        error.log(PLACE);
        Self(error.to_string())
    }

    fn of_call<P: States>(error: &Error, live: &LiveSession, handler: &'static str) -> Self {
        live.log(error, PLACE, handler, P::KEYS);
        Self(error.to_string())
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
