//! Handlers that are in place before a client hears CONNECT: `connected.on(..)`, `EventRouter`.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

use socketioxide::{
    adapter::{Adapter, LocalAdapter},
    handler::{ConnectHandler, ConnectMiddleware, Value},
    socket::Socket,
};

use super::{
    connect::{ConnectFunction, Connected, Prepared, finish, prepare, start},
    ends::{EndHandler, Ends},
    gates::{EndGate, Erased, EventHandler, Gate, Gates, NoHandler},
    routed::{IsConnectMiddleware, IsDisconnectHandler, IsMessageHandler},
};
use crate::call::{held::Held, returned::Returned};

/// Marks the `ConnectHandler` implementations of this crate.
#[derive(Debug)]
pub enum ByAttribute {}

/// What `#[connect_handler]` makes of a function: a value of its name. `F` marks the function.
///
/// It is what [`EventRouter`] is without routes.
pub struct Annotated<F>(PhantomData<fn() -> F>);

impl<F> Annotated<F> {
    /// The only value.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "the expansion needs a constant")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// As [`EventRouter::on`].
    #[must_use]
    pub fn on<A, H, T>(self, event: impl Into<Cow<'static, str>>, handler: H) -> EventRouter<A, F>
    where
        A: Adapter,
        H: IsMessageHandler<A, T>,
        T: 'static,
    {
        EventRouter::of_function().on(event, handler)
    }

    /// As [`EventRouter::on_disconnect`].
    #[must_use]
    pub fn on_disconnect<A, H, T>(self, handler: H) -> EventRouter<A, F>
    where
        A: Adapter,
        H: IsDisconnectHandler<A, T>,
        T: 'static,
    {
        EventRouter::of_function().on_disconnect(handler)
    }

    /// As [`EventRouter::with`].
    #[must_use]
    pub fn with<A, M, T>(self, middleware: M) -> EventRouter<A, F>
    where
        A: Adapter,
        M: IsConnectMiddleware<A, T>,
        T: 'static,
    {
        EventRouter::of_function().with(middleware)
    }
}

impl<F> Clone for Annotated<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Annotated<F> {}

impl<F> fmt::Debug for Annotated<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotated").finish()
    }
}

#[diagnostic::do_not_recommend]
impl<A: Adapter, F: ConnectFunction<A>> ConnectHandler<A, ByAttribute> for Annotated<F> {
    fn call(&self, socket: Arc<Socket<A>>, auth: Option<Value>) {
        start::<A, F>(&socket, &auth);
    }

    fn call_middleware<'a>(&'a self, socket: Arc<Socket<A>>, _: &'a Option<Value>) -> Prepared<'a> {
        Box::pin(prepare::<A, F>(socket, Arc::default(), &[]))
    }

    fn with<M, T>(self, middleware: M) -> impl ConnectHandler<A, ByAttribute>
    where
        M: ConnectMiddleware<A, T> + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        EventRouter::<A, F>::of_function().with(middleware)
    }
}

/// A namespace's handlers, which are in place before its clients hear CONNECT.
///
/// What [`#[connect_handler]`](macro@crate::connect_handler) makes of a function has the methods of this type, and they give
/// one; `EventRouter::new()` is a connect handler that does nothing. `SocketIo::ns` and `SocketIo::dyn_ns` take both.
///
/// ```
/// use socketioxide::{SocketIo, extract::{Data, SocketRef}};
/// use socketioxide_session::{EventRouter, connect_handler, connect_middleware, session_state, socket_handler};
///
/// #[session_state]
/// struct User {
///     name: Option<String>,
/// }
///
/// #[connect_handler(user)]
/// async fn connected(user: &User, socket: SocketRef) {
///     socket.emit("welcome", &user.name).ok();
/// }
///
/// #[connect_middleware(user)]
/// async fn only_users(user: &User) -> Result<(), &'static str> {
///     user.name.as_ref().map(|_| ()).ok_or("log in first")
/// }
///
/// #[socket_handler(user)]
/// async fn rename(user: &mut User, Data(name): Data<String>) {
///     user.name = Some(name);
/// }
///
/// // One without an attribute.
/// async fn say(socket: SocketRef, Data(text): Data<String>) {
///     socket.broadcast().emit("said", &text).await.ok();
/// }
///
/// let (_, io) = SocketIo::new_layer();
/// io.ns("/", connected.on("rename", rename).on("say", say).with(only_users));
/// io.ns("/news", EventRouter::new().on("say", say));
/// ```
///
/// # What comes early
///
/// A client may send as soon as it hears CONNECT, which is a moment before the connect function starts.
///
/// - An event that comes before the function first waits (at an `.await` that is not ready, or at its end) is kept; then it
///   is let go, and takes its place behind the function's own turn. All go in the order in which they came. A socket has
///   1,000 events kept; those past that are answered `too_many_waiters`.
/// - An event without a handler that comes before the function has ended is answered
///   [`too_early`](crate::ErrorKind::TooEarly): it may be one that the function registers with `socket.on`. What comes
///   after a `socket.on_fallback` is the fallback's.
/// - If the function fails before its first wait (an extractor fails, it panics, it returns `Err`), the client is told by
///   `session_error`, what was kept is answered `too_early`, and the socket is disconnected.
///
/// `socket.on(..)` inside of the function, or in a middleware, replaces a handler of the same event for what comes later.
pub struct EventRouter<A: Adapter = LocalAdapter, F = NoFunction> {
    routes: Arc<Routes<A>>,
    function: PhantomData<fn() -> F>,
}

/// The connect function of [`EventRouter::new`], which does nothing.
#[derive(Debug)]
pub enum NoFunction {}

struct Routes<A: Adapter> {
    events: Vec<(Cow<'static, str>, Arc<dyn EventHandler<A>>)>,
    end: Option<Arc<dyn EndHandler<A>>>,
    /// In the order in which they were given.
    middlewares: Vec<Arc<dyn Middleware<A>>>,
}

impl<A: Adapter> EventRouter<A, NoFunction> {
    /// Without a connect function: as `#[connect_handler()]` on one with an empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::of_function()
    }
}

impl<A: Adapter> Default for EventRouter<A, NoFunction> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Adapter, F> EventRouter<A, F> {
    pub(super) fn of_function() -> Self {
        Self { routes: Arc::new(Routes::default()), function: PhantomData }
    }

    /// Handles this event: with a handler under [`#[socket_handler]`](macro@crate::socket_handler), a plain function or a
    /// closure, as `socket.on` does. The last one that is given for an event counts.
    #[must_use]
    pub fn on<H, T>(mut self, event: impl Into<Cow<'static, str>>, handler: H) -> Self
    where
        H: IsMessageHandler<A, T>,
        T: 'static,
    {
        let (event, handler) = (event.into(), Arc::new(Erased::new(handler)));
        let events = &mut Arc::make_mut(&mut self.routes).events;
        events.retain(|(given, _)| *given != event);
        events.push((event, handler));
        self
    }

    /// Handles the end of a socket, as `socket.on_disconnect` does; the last one that is given counts, and a
    /// `socket.on_disconnect` replaces it. A client may leave before the connect function starts: it runs all the same, after
    /// the function's first wait. It does not run if the function fails before that.
    ///
    /// Under [`#[socket_handler]`](macro@crate::socket_handler) it has the session's states, as any call, while the session
    /// lives. After the session's end, or if it cannot be loaded, it has copies of them as the socket's connection has last
    /// seen them: loaded before CONNECT, and then as each of the connection's own calls loaded or committed them. What it
    /// changes then is saved nowhere; [`after_commit`](crate::SessionControl::after_commit) begins, and
    /// [`key`](crate::SessionControl::key) is the session's, so that whoever has left can be told from those who are here:
    ///
    /// ```
    /// use socketioxide::{SocketIo, extract::SocketRef};
    /// use socketioxide_session::{EventRouter, session_state, socket_handler};
    ///
    /// #[session_state]
    /// struct User {
    ///     name: Option<String>,
    /// }
    ///
    /// /// Runs when a tab closes, and also after a logout, a login or the session's expiry.
    /// #[socket_handler(user)]
    /// async fn gone(user: &User, socket: SocketRef) {
    ///     socket.broadcast().emit("left", &user.name).await.ok();
    /// }
    ///
    /// let (_, io) = SocketIo::new_layer();
    /// io.ns("/", EventRouter::new().on_disconnect(gone));
    /// ```
    ///
    /// For these copies such a namespace loads the handler's states before CONNECT; others keep nothing.
    #[must_use]
    pub fn on_disconnect<H, T>(mut self, handler: H) -> Self
    where
        H: IsDisconnectHandler<A, T>,
        T: 'static,
    {
        Arc::make_mut(&mut self.routes).end = Some(Arc::new(Ends::new(handler)));
        self
    }

    /// Puts a connect middleware before all that are there: the one that is given last runs first, as in socketioxide. The
    /// session's states are loaded, and turns taken, when all have let the client in.
    #[must_use]
    pub fn with<M, T>(mut self, middleware: M) -> Self
    where
        M: IsConnectMiddleware<A, T>,
        T: 'static,
    {
        Arc::make_mut(&mut self.routes).middlewares.push(Arc::new(Erased::new(middleware)));
        self
    }
}

impl<A: Adapter, F> Clone for EventRouter<A, F> {
    fn clone(&self) -> Self {
        Self { routes: Arc::clone(&self.routes), function: PhantomData }
    }
}

impl<A: Adapter, F> fmt::Debug for EventRouter<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> = self.routes.events.iter().map(|(event, _)| event).collect();
        f.debug_struct("EventRouter").field("events", &events).finish_non_exhaustive()
    }
}

#[diagnostic::do_not_recommend]
impl<A: Adapter, F: ConnectFunction<A>> ConnectHandler<A, ByAttribute> for EventRouter<A, F> {
    fn call(&self, socket: Arc<Socket<A>>, auth: Option<Value>) {
        start::<A, F>(&socket, &auth);
    }

    fn call_middleware<'a>(&'a self, socket: Arc<Socket<A>>, auth: &'a Option<Value>) -> Prepared<'a> {
        Box::pin(async move {
            let gates = Arc::default();
            // First, so that what a middleware registers replaces it.
            self.routes.stand_on(&socket, &gates);
            for middleware in self.routes.middlewares.iter().rev() {
                middleware.call(Arc::clone(&socket), auth).await?;
            }
            let kept = self.routes.end.as_ref().map_or(&[][..], |end| end.states(&socket));
            prepare::<A, F>(socket, gates, kept).await
        })
    }

    fn with<M, T>(self, middleware: M) -> impl ConnectHandler<A, ByAttribute>
    where
        M: ConnectMiddleware<A, T> + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        Self::with(self, middleware)
    }
}

impl<A: Adapter> Routes<A> {
    /// Puts the handlers on a socket, each behind its gate. Where there are none, there is nothing to keep.
    fn stand_on(&self, socket: &Arc<Socket<A>>, gates: &Arc<Gates<A>>) {
        for (event, handler) in &self.events {
            let (gates, handler) = (Arc::clone(gates), Arc::clone(handler));
            socket.on(event.clone(), Gate { gates, handler });
        }
        if let Some(handler) = &self.end {
            let (gates, handler) = (Arc::clone(gates), Arc::clone(handler));
            EndGate::stand_on(socket, gates, handler);
        }
        if !self.events.is_empty() {
            socket.on_fallback(NoHandler(Arc::clone(gates)));
        }
    }
}

impl<A: Adapter> Clone for Routes<A> {
    fn clone(&self) -> Self {
        let Self { events, end, middlewares } = self;
        Self { events: events.clone(), end: end.clone(), middlewares: middlewares.clone() }
    }
}

impl<A: Adapter> Default for Routes<A> {
    fn default() -> Self {
        Self { events: Vec::new(), end: None, middlewares: Vec::new() }
    }
}

/// A connect middleware, whatever its arguments.
#[allow(clippy::ref_option, reason = "socketioxide's middlewares take it so")]
trait Middleware<A: Adapter>: Send + Sync {
    fn call<'a>(&'a self, socket: Arc<Socket<A>>, auth: &'a Option<Value>) -> Prepared<'a>;
}

impl<A: Adapter, M: ConnectMiddleware<A, T>, T: 'static> Middleware<A> for Erased<M, T> {
    fn call<'a>(&'a self, socket: Arc<Socket<A>>, auth: &'a Option<Value>) -> Prepared<'a> {
        Box::pin(self.handler().call(socket, auth))
    }
}

impl<A: Adapter> ConnectFunction<A> for NoFunction {
    const NAME: &'static str = "EventRouter";
    type States = ();
    type Arguments = ();

    async fn run(held: Held<(), Connected<A>>, (): ()) {
        finish::<A, (), (), ()>(held, Returned::Value(())).await;
    }
}
