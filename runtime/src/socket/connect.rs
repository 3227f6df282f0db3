//! What `#[connect_handler]` expands to. Whatever must be waited for is awaited before
//! CONNECT is answered; then the user's function starts without a wait, so that its `socket.on` comes in time.

use std::{
    fmt::Display,
    future::Future,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use serde::Serialize;
use socketioxide::extract::SocketRef;
pub use socketioxide::{
    adapter::Adapter,
    handler::{ConnectHandler, ConnectMiddleware, FromConnectParts, Value},
    socket::Socket,
};

use super::{
    binding,
    event::outcome_of,
    middleware::{Refusal, arrive, begin_call},
    reply::{Reply, Said},
};
use crate::{
    call::{
        access::States,
        held::Held,
        returned::Returned,
        running_call::{Concluded, RunningCall},
    },
    error::Error,
    panics::Contained,
};

/// What CONNECT waits for.
pub type Prepared<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn Display + Send>>> + Send + 'a>>;

/// Marks the `ConnectHandler` implementations of this crate's attribute.
#[derive(Debug)]
pub enum ByAttribute {}

/// The socket of a connect handler, over any adapter.
pub struct Connected {
    reply: Reply,
    /// Ends the socket.
    disconnect: Box<dyn FnOnce() + Send + Sync>,
}

/// Waits between the middlewares and CONNECT, in the socket's extensions. If the client goes, the socket is
/// dropped, and the turn with it.
struct Waiting<P>(Arc<Mutex<Option<Box<RunningCall<P>>>>>);

impl<P> Clone for Waiting<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Before CONNECT: binds the socket to its session, waits for the turn and loads the states.
pub fn prepare<'a, A: Adapter, P: States>(socket: Arc<Socket<A>>) -> Prepared<'a> {
    Box::pin(async move {
        let call = enter::<P, A>(&socket).await.map_err(refusal)?;
        socket.extensions.insert(Waiting(Arc::new(Mutex::new(Some(call)))));
        Ok(())
    })
}

/// After CONNECT: what [`prepare`] got.
pub fn begin<A: Adapter, P: States>(socket: &Arc<Socket<A>>) -> Option<Held<P, Connected>> {
    let call = socket.extensions.remove::<Waiting<P>>()?.0.lock().take()?;
    call.extracts();
    let reply = Reply::to_event(socket, None);
    let weak = Arc::downgrade(socket);
    let disconnect = Box::new(move || {
        if let Some(socket) = weak.upgrade() {
            tokio::spawn(binding::disconnect(SocketRef::from(socket)));
        }
    });
    Some(Held { call, context: Connected { reply, disconnect } })
}

/// An extractor of the user's failed: as in socketioxide, the function is not called.
#[allow(clippy::needless_pass_by_value, reason = "the states are given back here")]
pub fn not_extracted<P: States>(held: Held<P, Connected>, error: &dyn std::error::Error) {
    tracing::error!("a connect handler is not called, because an argument cannot be extracted: {error}");
    drop(held);
}

/// Starts the user's function at once, on this task, as far as its first wait; the rest goes on a task of its own.
pub fn start(function: impl Future<Output = ()> + Send + 'static) {
    let mut function = Box::pin(function);
    let mut context = Context::from_waker(Waker::noop());
    if pin!(&mut function).poll(&mut context) == Poll::Pending {
        tokio::spawn(function);
    }
}

/// Commits or discards. A client that was told CONNECT already hears of a failed commit by `session_error`, and is
/// disconnected.
pub async fn finish<P: States, T, E: Serialize + Sync + 'static>(
    held: Held<P, Connected>,
    returned: Returned<T, E>,
) {
    let Held { call, context: Connected { reply, disconnect } } = held;
    let returned = Contained::new(returned);
    let Concluded { work, ends_session, .. } = call.conclude(outcome_of(&returned));
    match work.outcome().await {
        Ok(()) => match &*returned {
            Returned::Value(_) => {}
            Returned::Error(error) => reply.say(Said::error(error)).await,
            Returned::Panicked(panicked) => {
                let error = panicked.error();
                error.log("a connect handler");
                reply.say(Said::Error(&error)).await;
            }
        },
        Err(error) => {
            error.log("a connect handler");
            reply.say(Said::Error(&error)).await;
            disconnect();
        }
    }
    reply.end_sockets(ends_session);
}

async fn enter<P: States, A: Adapter>(socket: &Arc<Socket<A>>) -> Result<Box<RunningCall<P>>, Error> {
    begin_call(arrive::<P, A>(socket)?).await
}

fn refusal(error: Error) -> Box<dyn Display + Send> {
    Box::new(Refusal::own(error))
}

/// A connect handler with a middleware before it. socketioxide's own would not call the handler's part before
/// CONNECT.
pub struct Layered<A, H, M, T> {
    handler: H,
    middleware: M,
    arguments: PhantomData<fn() -> (A, T)>,
}

impl<A, H, M, T> Layered<A, H, M, T> {
    /// The middleware comes first.
    pub fn new(handler: H, middleware: M) -> Self {
        Self { handler, middleware, arguments: PhantomData }
    }
}

impl<A, H: Clone, M: Clone, T> Clone for Layered<A, H, M, T> {
    fn clone(&self) -> Self {
        Self::new(self.handler.clone(), self.middleware.clone())
    }
}

impl<A, H, M, T> ConnectHandler<A, ByAttribute> for Layered<A, H, M, T>
where
    A: Adapter,
    H: ConnectHandler<A, ByAttribute>,
    M: ConnectMiddleware<A, T>,
    T: Send + Sync + 'static,
{
    fn call(&self, socket: Arc<Socket<A>>, auth: Option<Value>) {
        self.handler.call(socket, auth);
    }

    fn call_middleware<'a>(&'a self, socket: Arc<Socket<A>>, auth: &'a Option<Value>) -> Prepared<'a> {
        Box::pin(async move {
            self.middleware.call(Arc::clone(&socket), auth).await?;
            self.handler.call_middleware(socket, auth).await
        })
    }

    fn with<M2, T2>(self, middleware: M2) -> impl ConnectHandler<A, ByAttribute>
    where
        M2: ConnectMiddleware<A, T2> + Send + Sync + 'static,
        T2: Send + Sync + 'static,
    {
        Layered::<A, _, _, T2>::new(self, middleware)
    }
}
