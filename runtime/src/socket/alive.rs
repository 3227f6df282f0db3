//! `session_alive`, for connect handlers without an attribute: as a connect middleware, and around a connect handler.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use socketioxide::{
    adapter::Adapter,
    handler::{ConnectHandler, ConnectMiddleware, FromConnectParts, Value},
    socket::Socket,
};

use super::{
    connect::Prepared,
    middleware::{Refusal, arrive, must_live, not_ended},
};
use crate::error::{Error, ErrorKind};

/// For namespaces whose connect handler has no attribute: lets sockets in whose session is alive, and disconnects them with
/// its end.
///
/// Around a connect handler it looks last, when all middlewares have let the socket in, right before the client hears
/// CONNECT. So a socket whose middleware takes long does not outlive its session: it is refused. The handler may have
/// middlewares already, or be given them by `with` then:
///
/// ```
/// use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler};
/// use socketioxide_session::session_alive;
///
/// async fn connected(socket: SocketRef) {}
///
/// async fn asks_a_database() -> Result<(), String> {
///     Ok(())
/// }
///
/// let (_, io) = SocketIo::new_layer();
/// io.ns("/news", session_alive(connected.with(asks_a_database)));
/// io.ns("/chat", session_alive(connected).with(asks_a_database));
/// ```
///
/// It is also a connect middleware, with its place among the others (the one that is given last runs first). A socket whose
/// session ends while others run after it is disconnected as soon as it is connected:
///
/// ```
/// # use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler};
/// # use socketioxide_session::session_alive;
/// # async fn connected(socket: SocketRef) {}
/// # let (_, io) = SocketIo::new_layer();
/// io.ns("/news", connected.with(session_alive));
/// ```
///
/// A live session is not a login: by default every handshake has one.
///
/// # Errors
///
/// The client gets a `connect_error` where there is no live session, or where it cannot be had.
pub fn session_alive<H>(of: H) -> SessionAlive<H> {
    SessionAlive(of)
}

/// What [`session_alive`] makes of a connect handler: one that is called for sockets whose session is alive.
#[derive(Clone, Copy)]
#[must_use = "give it to `SocketIo::ns`"]
pub struct SessionAlive<H>(H);

impl<H> fmt::Debug for SessionAlive<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionAlive").finish_non_exhaustive()
    }
}

/// Marks the handlers that `session_alive` stands around. `T` marks what is inside.
#[derive(Debug)]
pub struct Inside<T>(PhantomData<fn() -> T>);

#[diagnostic::do_not_recommend]
impl<A, H, T> ConnectHandler<A, Inside<T>> for SessionAlive<H>
where
    A: Adapter,
    H: ConnectHandler<A, T>,
    T: Send + Sync + 'static,
{
    fn call(&self, socket: Arc<Socket<A>>, auth: Option<Value>) {
        self.0.call(socket, auth);
    }

    fn call_middleware<'a>(&'a self, socket: Arc<Socket<A>>, auth: &'a Option<Value>) -> Prepared<'a> {
        Box::pin(async move {
            self.0.call_middleware(Arc::clone(&socket), auth).await?;
            match Check::of(&socket).0.into_inner().await {
                Ok(()) => Ok(()),
                Err(refusal) => Err(Box::new(refusal) as _),
            }
        })
    }

    fn with<M, T1>(self, middleware: M) -> impl ConnectHandler<A, Inside<T>>
    where
        M: ConnectMiddleware<A, T1> + Send + Sync + 'static,
        T1: Send + Sync + 'static,
    {
        SessionAlive(self.0.with(middleware))
    }
}

/// Looks whether the session lives: what the middleware extracts.
pub struct Check(Mutex<Looks>);

type Looks = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").finish_non_exhaustive()
    }
}

impl Check {
    /// Binds the socket at once, so that an end that comes while it looks is known.
    fn of<A: Adapter>(socket: &Arc<Socket<A>>) -> Self {
        let arrived = arrive::<(), A>(socket);
        Self(Mutex::new(Box::pin(async move {
            let (live, _) = arrived.map_err(Refusal::own)?;
            must_live(&live).await.map_err(Refusal::own)?;
            if !live.is_stored() {
                return Err(Refusal::own(Error::new(ErrorKind::NoSession)));
            }
            not_ended(&live)
        })))
    }
}

impl<A: Adapter> FromConnectParts<A> for Check {
    type Error = Infallible;

    fn from_connect_parts(socket: &Arc<Socket<A>>, _: &Option<Value>) -> Result<Self, Infallible> {
        Ok(Self::of(socket))
    }
}

/// The middleware.
impl Future for SessionAlive<Check> {
    type Output = Result<(), Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.0.get_mut().as_mut().poll(context)
    }
}
