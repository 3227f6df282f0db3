//! `TestSocket`: a client's socket in one namespace.

use std::{fmt, future::Future, panic::Location};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    arguments::arguments,
    connection::{ConnectError, TestConnection},
    packet::Packet,
};

/// A client's socket in one namespace. What comes is kept until it is asked for, in the order of its arrival.
///
/// Dropped, it says nothing; the connection goes on while another of its sockets is held. Futures of its methods may
/// be dropped: what has come by then is kept.
#[derive(Debug)]
pub struct TestSocket {
    connection: TestConnection,
    namespace: String,
    id: String,
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TestEvent {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// What to [`acknowledge`](TestSocket::acknowledge), if the server asks for it.
    pub ack: Option<AckId>,
}

impl TestEvent {
    /// The first argument, decoded; `null` where there is none.
    ///
    /// # Panics
    ///
    /// If it does not decode.
    #[track_caller]
    pub fn data<T: DeserializeOwned>(&self) -> T {
        let first = self.args.first().cloned().unwrap_or_default();
        serde_json::from_value(first).unwrap_or_else(|error| {
            panic!("an event `{}` that does not decode: {error}: {:?}", self.name, self.args)
        })
    }
}

/// The number of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckId(u64);

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TestSocket {
    /// Waits for the outcome of a join.
    pub(super) async fn joined(
        connection: TestConnection,
        namespace: String,
        at: &'static Location<'static>,
    ) -> Result<Self, ConnectError> {
        let mut socket = Self { connection, namespace, id: String::new() };
        let answer = |packet: &Packet| matches!(packet, Packet::Connect { .. } | Packet::ConnectError { .. });
        match socket.wait("an answer to CONNECT", at, answer).await {
            Packet::ConnectError { data, .. } => {
                let message = data["message"].as_str().unwrap_or_default().to_owned();
                Err(ConnectError::Namespace { message, data })
            }
            Packet::Connect { data, .. } => {
                data["sid"].as_str().unwrap_or_default().clone_into(&mut socket.id);
                Ok(socket)
            }
            other => unreachable!("{other:?} is no answer to CONNECT"),
        }
    }

    /// The socket's id, as the server has it (`socket.id`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The connection that it shares with the client's sockets in other namespaces.
    pub fn connection(&self) -> &TestConnection {
        &self.connection
    }

    /// Emits an event. A tuple, a tuple struct and a `[T; N]` are several arguments, as in socketioxide, and `&()` is
    /// none; all else is one, also a `Vec`, a struct and what encodes as `null`.
    ///
    /// # Panics
    ///
    /// If the connection has ended, or `data` does not encode.
    #[track_caller]
    pub fn emit<D: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &D,
    ) -> impl Future<Output = ()> + Send + use<D> {
        self.emit_args(event, &arguments(data))
    }

    /// Emits an event with these arguments.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    #[track_caller]
    pub fn emit_args(&self, event: &str, args: &[Value]) -> impl Future<Output = ()> + Send + use<> {
        self.send(&Packet::event(&self.namespace, None, event, args))
    }

    /// Emits an event, with arguments as [`emit`](Self::emit) has them, and gives what acknowledges it: its one value,
    /// `null` if it has none, a list if it has several.
    ///
    /// # Panics
    ///
    /// If the connection or the namespace ends before the acknowledgement comes, or `data` does not encode.
    #[track_caller]
    pub fn emit_with_ack<D: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &D,
    ) -> impl Future<Output = Value> + Send + use<'_, D> {
        let (event, args, at) = (event.to_owned(), arguments(data), Location::caller());
        async move {
            let id = self.emit_for_ack_at(&event, &args, at).await;
            let what = format!("the acknowledgement of `{event}`");
            self.ack_at(&what, id, at).await
        }
    }

    /// Emits an event with these arguments, and gives the number of the acknowledgement to wait for, with
    /// [`ack`](Self::ack): for several events at once.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    #[track_caller]
    pub fn emit_for_ack(&self, event: &str, args: &[Value]) -> impl Future<Output = AckId> + Send + use<'_> {
        let (event, args, at) = (event.to_owned(), args.to_vec(), Location::caller());
        async move { self.emit_for_ack_at(&event, &args, at).await }
    }

    async fn emit_for_ack_at(&self, event: &str, args: &[Value], at: &'static Location<'static>) -> AckId {
        let id = self.connection.next_ack();
        let packet = Packet::event(&self.namespace, Some(id), event, args);
        self.connection.write(vec![packet.to_string()], at).await;
        AckId(id)
    }

    /// What acknowledges an event: its one value, `null` if it has none, a list if it has several.
    ///
    /// # Panics
    ///
    /// If the connection or the namespace ends before it comes.
    #[track_caller]
    pub fn ack(&self, id: AckId) -> impl Future<Output = Value> + Send + use<'_> {
        let at = Location::caller();
        async move { self.ack_at(&format!("acknowledgement {id}"), id, at).await }
    }

    async fn ack_at(&self, what: &str, id: AckId, at: &'static Location<'static>) -> Value {
        let wanted = |packet: &Packet| matches!(packet, Packet::Ack { id: of, .. } if *of == id.0);
        match self.wait(what, at, wanted).await {
            Packet::Ack { mut args, .. } if args.len() <= 1 => args.pop().unwrap_or_default(),
            Packet::Ack { args, .. } => args.into(),
            other => unreachable!("{other:?} is no acknowledgement"),
        }
    }

    /// The next event, whatever its name.
    ///
    /// # Panics
    ///
    /// If the connection or the namespace ends before it comes.
    #[track_caller]
    pub fn next_event(&self) -> impl Future<Output = TestEvent> + Send + use<'_> {
        let at = Location::caller();
        async move { event(self.wait("an event", at, |packet| matches!(packet, Packet::Event { .. })).await) }
    }

    /// The next event of this name; others are kept for whoever asks for them.
    ///
    /// # Panics
    ///
    /// If the connection or the namespace ends before it comes.
    #[track_caller]
    pub fn event(&self, name: &str) -> impl Future<Output = TestEvent> + Send + use<'_> {
        let (name, at) = (name.to_owned(), Location::caller());
        async move {
            let wanted = |packet: &Packet| matches!(packet, Packet::Event { name: of, .. } if *of == name);
            event(self.wait(&format!("the event `{name}`"), at, wanted).await)
        }
    }

    /// Answers an event that asked for an acknowledgement, with arguments as [`emit`](Self::emit) has them.
    ///
    /// # Panics
    ///
    /// If it asked for none, the connection has ended, or `data` does not encode.
    #[track_caller]
    pub fn acknowledge<D: Serialize + ?Sized>(
        &self,
        event: &TestEvent,
        data: &D,
    ) -> impl Future<Output = ()> + Send + use<D> {
        let Some(AckId(id)) = event.ack else {
            panic!("the event `{}` asked for no acknowledgement", event.name)
        };
        self.send(&Packet::Ack { namespace: self.namespace.clone(), id, args: arguments(data) })
    }

    /// Leaves the namespace; the connection goes on.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    #[track_caller]
    pub fn disconnect(&self) -> impl Future<Output = ()> + Send + use<> {
        self.send(&Packet::Disconnect { namespace: self.namespace.clone() })
    }

    /// Waits until the server has ended the namespace, or the connection has ended. What came before is kept.
    #[track_caller]
    pub fn disconnected(&self) -> impl Future<Output = ()> + Send + use<'_> {
        let at = Location::caller();
        async move {
            let what = format!("the end of `{}`", self.namespace);
            self.connection.take(Some(&self.namespace), what, at, |_| false).await.ok();
        }
    }

    #[track_caller]
    fn send(&self, packet: &Packet) -> impl Future<Output = ()> + Send + use<> {
        self.connection.send_frames([packet.to_string()])
    }

    /// The first packet of the namespace that is wanted. A panic, if the namespace ends before.
    async fn wait(
        &self,
        what: &str,
        at: &'static Location<'static>,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Packet {
        let wanted = |packet: &Packet| packet.namespace() == self.namespace && wanted(packet);
        let packet = self.connection.take(Some(&self.namespace), what, at, wanted).await;
        packet.unwrap_or_else(|why| panic!("`{}`: {why}, before {what} came ({at})", self.namespace))
    }
}

fn event(packet: Packet) -> TestEvent {
    match packet {
        Packet::Event { id, name, args, .. } => TestEvent { name, args, ack: id.map(AckId) },
        other => unreachable!("{other:?} is no event"),
    }
}
