//! `TestConnection`: one connection of a client, which its namespaces share.

use std::{
    error::Error,
    fmt,
    future::{Future, IntoFuture},
    panic::Location,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    client::TestClient,
    inbox::Inbox,
    packet::Packet,
    patience::within,
    request::header,
    response::TestResponse,
    socket::TestSocket,
    transport::{Opened, Reader, Writer, over_polling, over_websocket, sid},
};

/// How many bytes a pipe holds in each direction where nothing else is asked for.
const WIDE: usize = 64 * 1024;

/// How a connection sends and receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Over WebSocket from the start.
    #[default]
    WebSocket,
    /// Over HTTP polling, and never upgraded.
    Polling,
}

/// Why a client is not connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The handshake was refused, with this response.
    Handshake(Box<TestResponse>),
    /// The namespace was refused: a `connect_error`.
    Namespace {
        /// What the server says.
        message: String,
        /// All of the packet's payload.
        data: Value,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(response) => {
                let text = String::from_utf8_lossy(response.body());
                write!(f, "the handshake was answered {}: {text}", response.status())
            }
            Self::Namespace { message, .. } => write!(f, "connect_error: {message}"),
        }
    }
}

impl Error for ConnectError {}

/// A connection that is about to be made: awaited, it gives the socket in its namespace.
#[must_use = "it connects when it is awaited"]
#[derive(Debug)]
pub struct Connect {
    client: TestClient,
    namespace: String,
    transport: Transport,
    auth: Value,
    headers: HeaderMap,
    pipe: usize,
    at: &'static Location<'static>,
}

impl Connect {
    #[track_caller]
    pub(super) fn new(client: TestClient, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            transport: Transport::default(),
            auth: Value::Null,
            headers: HeaderMap::new(),
            pipe: WIDE,
            at: Location::caller(),
        }
    }

    /// Over this transport. Default: WebSocket.
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// What authenticates the client (`auth` in socket.io-client, `Data` in a connect handler).
    ///
    /// # Panics
    ///
    /// If it does not encode.
    #[track_caller]
    pub fn auth(mut self, auth: &impl Serialize) -> Self {
        self.auth = json(auth);
        self
    }

    /// One header more, on each request of the connection. A `Cookie` header takes the place of the jar's cookies.
    ///
    /// # Panics
    ///
    /// If it cannot be a header.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: fmt::Debug>,
        V: TryInto<HeaderValue, Error: fmt::Debug>,
    {
        let (name, value) = header(name, value);
        self.headers.append(name, value);
        self
    }

    /// Over WebSocket, through a pipe that holds so many bytes in each direction: for a slow network. Default: 64 KiB.
    pub fn through(mut self, bytes: usize) -> Self {
        self.pipe = bytes;
        self
    }

    /// Shakes hands, and joins no namespace.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Handshake`]
    pub async fn open(self) -> Result<TestConnection, ConnectError> {
        let opening = async {
            match self.transport {
                Transport::WebSocket => over_websocket(&self.client, &self.headers, self.pipe).await,
                Transport::Polling => over_polling(&self.client, &self.headers).await,
            }
        };
        let patience = self.client.app.patience;
        match within(patience, "a handshake", self.at, opening).await {
            Ok(opened) => Ok(TestConnection::start(opened, patience)),
            Err(response) => Err(ConnectError::Handshake(Box::new(response))),
        }
    }
}

/// The socket in the namespace; or why there is none.
impl IntoFuture for Connect {
    type Output = Result<TestSocket, ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        let namespace = std::mem::take(&mut self.namespace);
        let (auth, at) = (self.auth.take(), self.at);
        Box::pin(async move { self.open().await?.join_at(namespace, auth, at).await })
    }
}

/// One connection of a client. Clones are the same connection; when the last of them, and of its sockets, is dropped,
/// the client is gone without a word.
#[derive(Clone, Debug)]
pub struct TestConnection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    inbox: Arc<Inbox>,
    reading: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
    acks: AtomicU64,
    patience: Duration,
    handshake: TestResponse,
    sid: String,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the writing task is told to do. `done` hears that it is, or why it cannot be.
#[derive(Debug)]
enum Outgoing {
    Frames { frames: Vec<String>, done: oneshot::Sender<Result<(), String>> },
    Heartbeat,
    Close { done: oneshot::Sender<()> },
}

impl TestConnection {
    fn start(opened: Opened, patience: Duration) -> Self {
        let Opened { handshake, opening, writer, reader } = opened;
        let inbox = Arc::new(Inbox::default());
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (reading, whether_to_read) = watch::channel(true);
        let receiving = receive(reader, whether_to_read, Arc::clone(&inbox), outgoing.downgrade());
        let tasks = [tokio::spawn(send(writer, to_send)), tokio::spawn(receiving)];
        let sid = sid(&opening);
        let acks = AtomicU64::default();
        let shared = Shared { outgoing, inbox, reading, tasks, acks, patience, handshake, sid };
        Self { shared: Arc::new(shared) }
    }

    /// The response that answered the handshake.
    pub fn handshake(&self) -> &TestResponse {
        &self.shared.handshake
    }

    /// Engine.IO's name of the connection.
    pub fn sid(&self) -> &str {
        &self.shared.sid
    }

    /// Joins a namespace, one more if it likes.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Namespace`]
    #[track_caller]
    pub fn join(
        &self,
        namespace: &str,
    ) -> impl Future<Output = Result<TestSocket, ConnectError>> + Send + use<> {
        self.clone().join_at(namespace.to_owned(), Value::Null, Location::caller())
    }

    /// Joins a namespace, with what authenticates the client.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Namespace`]
    #[track_caller]
    pub fn join_with<A: Serialize>(
        &self,
        namespace: &str,
        auth: &A,
    ) -> impl Future<Output = Result<TestSocket, ConnectError>> + Send + use<A> {
        self.clone().join_at(namespace.to_owned(), json(auth), Location::caller())
    }

    async fn join_at(
        self,
        namespace: String,
        data: Value,
        at: &'static Location<'static>,
    ) -> Result<TestSocket, ConnectError> {
        self.shared.inbox.forget(&namespace);
        let frame = Packet::Connect { namespace: namespace.clone(), data }.to_string();
        self.write(vec![frame], at).await;
        TestSocket::joined(self, namespace, at).await
    }

    /// The outcome of a join whose packet was sent with [`send_frames`](Self::send_frames).
    ///
    /// # Errors
    ///
    /// [`ConnectError::Namespace`]
    #[track_caller]
    pub fn joined(
        &self,
        namespace: &str,
    ) -> impl Future<Output = Result<TestSocket, ConnectError>> + Send + use<> {
        TestSocket::joined(self.clone(), namespace.to_owned(), Location::caller())
    }

    /// Sends these text frames as they are, in one go: for tests of the protocol itself. A [`Packet`]'s `to_string`
    /// gives the frame that carries it.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    #[track_caller]
    pub fn send_frames<I>(&self, frames: I) -> impl Future<Output = ()> + Send + use<I>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let (connection, at) = (self.clone(), Location::caller());
        let frames = frames.into_iter().map(Into::into).collect();
        async move { connection.write(frames, at).await }
    }

    pub(super) async fn write(&self, frames: Vec<String>, at: &'static Location<'static>) {
        let (done, sent) = oneshot::channel();
        self.shared.outgoing.send(Outgoing::Frames { frames, done }).ok();
        match within(self.shared.patience, "frames to be sent", at, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => panic!("nothing can be sent: {why} ({at})"),
            // The writing task is gone.
            Err(oneshot::error::RecvError { .. }) => {
                panic!("nothing can be sent: the connection has ended ({at})")
            }
        }
    }

    /// Reads nothing more, and answers no heartbeat: a client that is busy, or whose network is. Over polling, a poll
    /// that is under way is the last.
    pub fn pause_reading(&self) {
        self.shared.reading.send_replace(false);
    }

    /// Goes on reading.
    pub fn resume_reading(&self) {
        self.shared.reading.send_replace(true);
    }

    /// Closes the connection, as a client that leaves does.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.shared.outgoing.send(Outgoing::Close { done }).ok();
        closed.await.ok();
    }

    /// Waits until the connection has ended.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let (connection, at) = (self.clone(), Location::caller());
        async move { drop(connection.take(None, "the end of the connection", at, |_| false).await) }
    }

    /// The first packet, of any namespace, that is wanted and that nobody has asked for; `None` once the connection has
    /// ended: for tests of the protocol itself.
    #[track_caller]
    pub fn packet<F>(&self, wanted: F) -> impl Future<Output = Option<Packet>> + Send + use<F>
    where
        F: Fn(&Packet) -> bool + Send,
    {
        let (connection, at) = (self.clone(), Location::caller());
        async move { connection.take(None, "a packet", at, wanted).await.ok() }
    }

    /// The packets that came before one that was waited for, and that nobody has asked for: for tests that nothing
    /// came first.
    pub fn overtaken(&self) -> Vec<Packet> {
        self.shared.inbox.overtaken()
    }

    /// Waits for a packet. `Err`: why it will not come.
    pub(super) async fn take(
        &self,
        namespace: Option<&str>,
        what: impl fmt::Display,
        at: &'static Location<'static>,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Packet, String> {
        within(self.shared.patience, what, at, self.shared.inbox.take(namespace, wanted)).await
    }

    pub(super) fn next_ack(&self) -> u64 {
        self.shared.acks.fetch_add(1, Ordering::Relaxed)
    }
}

pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| panic!("no JSON: {error}"))
}

async fn send(mut writer: Writer, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(next) = outgoing.recv().await {
        match next {
            Outgoing::Frames { frames, done } => drop(done.send(writer.send(&frames).await)),
            // If it fails, the reader hears of the end.
            Outgoing::Heartbeat => drop(writer.send(&["3".to_owned()]).await),
            Outgoing::Close { done } => {
                writer.close().await;
                done.send(()).ok();
            }
        }
    }
}

/// Sorts what comes, and answers heartbeats, until the connection ends.
async fn receive(
    mut reader: Reader,
    mut reading: watch::Receiver<bool>,
    inbox: Arc<Inbox>,
    outgoing: mpsc::WeakUnboundedSender<Outgoing>,
) {
    loop {
        let frames = match reader.receive(&mut reading).await {
            Ok(frames) => frames,
            Err(why) => return inbox.end(why),
        };
        for frame in frames {
            match frame.as_bytes().first() {
                Some(b'1') => return inbox.end("the server has closed it".to_owned()),
                Some(b'2') => {
                    if let Some(outgoing) = outgoing.upgrade() {
                        outgoing.send(Outgoing::Heartbeat).ok();
                    }
                }
                Some(b'4') => match Packet::parse(&frame) {
                    Some(packet) => inbox.deliver(packet),
                    None => {
                        return inbox.end(format!("the server sent `{frame}`, which is no packet in JSON"));
                    }
                },
                _ => {}
            }
        }
    }
}
