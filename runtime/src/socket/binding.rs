//! The binding of a socket to its session, and the socket's end with it, in all namespaces of its connection.

use std::{
    future::Future,
    pin::Pin,
    ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use serde::Serialize;
use socketioxide::{
    SocketError, SocketIo, TransportType, adapter::Adapter, extract::SocketRef, handler::FromConnectParts,
    operators::BroadcastOperators, socket::Socket,
};
use tokio::time::{Instant, sleep};

use super::live;
use crate::{
    call::connection::Binding,
    error::{Error, ErrorKind},
    figures::More,
    process::{Ending, Registry, SessionSocket, disconnects::CONNECTING},
    session::id::SessionId,
};

/// The pause before the next try to disconnect where the buffer is full: the first one, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// How long a server that closes has its namespaces yet, for disconnect handlers to tell those who are still here.
const BEFORE_CLOSING: Duration = Duration::from_millis(50);

/// The error of a socket whose connection has no binding.
pub(super) fn missing<A: Adapter>(socket: &Socket<A>) -> Error {
    Error::with_text(
        ErrorKind::LayerMissing,
        format!(
            "no SessionLayer saw the handshake of this connection: write `.layer(SessionLayer::new(backend))` as the \
             last `.layer(..)` of the router, after `.layer(socket_layer)`; and where Socket.IO does not answer on \
             `/socket.io` (this handshake came to `{}`), tell the layer: `with_socket_path(..)`",
            socket.req_parts().uri.path(),
        ),
    )
}

/// What the handshake left for the sockets of its connection.
pub(super) fn binding_of<A: Adapter>(socket: &Socket<A>) -> Option<Binding> {
    socket.req_parts().extensions.get::<Binding>().cloned()
}

/// The binding of the socket's connection. Binds the socket to its session until the socket is gone, unless it is bound
/// already.
pub(super) fn bound<A: Adapter>(socket: &Arc<Socket<A>>) -> Option<Binding> {
    if let Some(bound) = socket.extensions.get::<Bound>() {
        return Some(bound.binding);
    }
    let binding = binding_of(socket)?;
    let session = binding.live();
    if socket.transport_type() == TransportType::Polling {
        // As a rule it was bound by the handshake's response.
        binding.bind(socket.id.as_str());
    }
    if session.is_stored() {
        let (id, registry) = (session.id(), session.registry().clone());
        let counted = More::sockets();
        let bound = Arc::new(BoundSocket { socket: Arc::downgrade(socket), id, registry, _counted: counted });
        bound.registry.sockets().bind(id, Arc::downgrade(&bound) as _);
        // The socket's own extensions keep it bound, and its end unbinds it: the disconnect handler is the user's.
        socket.extensions.insert(Bound { binding: binding.clone(), _bound: bound });
        live::follow(socket, &binding);
    }
    Some(binding)
}

/// The same for an event. Where its namespace is plain, so that nobody asked for the session at CONNECT, that is watched
/// from now on, too.
pub(super) fn bound_by_event<A: Adapter>(socket: &Arc<Socket<A>>) -> Option<Binding> {
    if let Some(bound) = socket.extensions.get::<Bound>() {
        return Some(bound.binding);
    }
    let binding = bound(socket)?;
    if binding.live().is_stored() {
        binding.live().watch_unknown();
    }
    Some(binding)
}

/// What binds a socket to its session.
#[derive(Clone)]
struct Bound {
    binding: Binding,
    /// The registry knows it weakly.
    _bound: Arc<dyn SessionSocket>,
}

/// What is to be done for a socket when its server closes, for which socketioxide calls no disconnect handler.
#[derive(Clone)]
pub(super) struct WhenServerCloses(pub(super) Arc<dyn Fn() + Send + Sync>);

/// A socket as the registry knows it. Weak: sockets are socketioxide's. It holds no binding: the binding's handle may
/// hold it, to disconnect it.
struct BoundSocket<A: Adapter> {
    socket: Weak<Socket<A>>,
    id: SessionId,
    registry: Registry,
    _counted: More,
}

impl<A: Adapter> SessionSocket for BoundSocket<A> {
    fn leave_rooms(&self) {
        if let Some(socket) = self.socket.upgrade() {
            socket.leave_all();
            for socket in of_all_namespaces(&socket) {
                socket.leave_all();
            }
        }
    }

    fn disconnect(self: Arc<Self>, ended: Option<Ending>) {
        if let Some(socket) = self.socket.upgrade() {
            end_everywhere(&socket, ended);
        }
    }

    fn close_server(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let server = self.socket.upgrade().map(|socket| {
            let Ok(io) = SocketIo::from_connect_parts(&socket, &None);
            io
        });
        Box::pin(async move {
            if let Some(server) = server {
                let sockets = server.nsps().into_iter().flat_map(BroadcastOperators::sockets);
                let acts: Vec<_> = sockets.filter_map(|socket| socket.extensions.get()).collect();
                for WhenServerCloses(act) in &acts {
                    act();
                }
                if !acts.is_empty() {
                    // They run on tasks of their own, and after it there are no namespaces.
                    sleep(BEFORE_CLOSING).await;
                }
                server.close().await;
            }
        })
    }
}

impl<A: Adapter> Drop for BoundSocket<A> {
    fn drop(&mut self) {
        self.registry.sockets().unbind(self.id, ptr::from_ref(self).cast());
    }
}

/// Ends the sockets of a connection. `ended`: how their session ended, which their clients are told, once, if the buffer
/// has room.
pub(super) fn end_everywhere<A: Adapter>(socket: &Arc<Socket<A>>, ended: Option<Ending>) {
    let sockets = of_all_namespaces(socket);
    if sockets.iter().all(|found| found.ns() != socket.ns()) {
        // Its middlewares may take long, and it shall not stay longer for that.
        tokio::spawn(disconnect_once_connected(Arc::downgrade(socket)));
    }
    for socket in sockets {
        if let Some(ended) = ended
            && socket.extensions.insert(Told).is_none()
        {
            socket.emit("session_ended", &SessionEnded { reason: ended.reason() }).ok();
        }
        // At once, so that nothing comes in between.
        if !disconnects_now(&socket) {
            tokio::spawn(disconnect(socket));
        }
    }
}

/// Marks a socket whose client was told that its session ended.
#[derive(Clone)]
struct Told;

/// The payload of the event `session_ended`.
#[derive(Serialize)]
struct SessionEnded {
    reason: &'static str,
}

/// The sockets of the connection, as far as their middlewares have let them in: they have the same id in each namespace.
fn of_all_namespaces<A: Adapter>(socket: &Arc<Socket<A>>) -> Vec<SocketRef<A>> {
    let Ok(io) = SocketIo::from_connect_parts(socket, &None);
    io.nsps().iter().filter_map(|ns| ns.get_socket(socket.id)).collect()
}

/// Ends a socket that is not let in yet as soon as it is connected, if it ever is.
async fn disconnect_once_connected<A: Adapter>(socket: Weak<Socket<A>>) {
    while let Some(connecting) = socket.upgrade() {
        if connecting.connected() {
            return disconnect(SocketRef::from(connecting)).await;
        }
        drop(connecting);
        sleep(PAUSE.0).await;
    }
}

/// Ends a socket in its namespace. Waits for room in a full buffer, for the client is told; and shortly for a
/// CONNECT that is under way.
pub(super) async fn disconnect<A: Adapter>(socket: SocketRef<A>) {
    let mut pause = PAUSE.0;
    let deadline = Instant::now() + CONNECTING;
    while socket.connected() || Instant::now() < deadline {
        if disconnects_now(&socket) {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Ends a socket in its namespace, if it is connected and its buffer has room for that.
fn disconnects_now<A: Adapter>(socket: &SocketRef<A>) -> bool {
    socket.connected() && !matches!(socket.clone().disconnect(), Err(SocketError::InternalChannelFull))
}
