//! An application without a network: a request is a future like any other, and a socket speaks over a pipe in memory.
//! For tests that pause the clock, that count polls, or that want a pipe to be narrow.

use std::{
    future::{Future, pending},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{
        Method, Request,
        header::{COOKIE, HOST},
    },
    serve::Listener,
};
use futures_util::{SinkExt, StreamExt, future::poll_fn};
use serde_json::Value;
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};
use tower::ServiceExt;

use crate::{
    http::Answer,
    raw::{Packet, event_frame, join_frame, packet},
    soon,
};

/// How many bytes a pipe holds in each direction where nothing else is asked for.
pub const WIDE: usize = 64 * 1024;

/// A client of an application in this process, with its cookie. Clones share both.
#[derive(Clone, Debug)]
pub struct Inside {
    router: Router,
    cookie: Arc<Mutex<Option<String>>>,
    server: Arc<Server>,
}

/// One request.
pub async fn request(
    router: &Router,
    method: Method,
    path: &str,
    cookie: Option<&str>,
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "site.example");
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let (head, body) = router.clone().oneshot(request).await.expect("an answer").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a whole body");
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    }
}

/// Serves the pipes that come in; it ends when the last client is dropped.
#[derive(Debug)]
struct Server {
    pipes: mpsc::UnboundedSender<DuplexStream>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inside {
    pub fn new(router: Router) -> Self {
        let (pipes, incoming) = mpsc::unbounded_channel();
        let server = axum::serve(Pipes(incoming), router.clone());
        let task = tokio::spawn(async move { server.await.expect("a server that serves") });
        Self { router, cookie: Arc::default(), server: Arc::new(Server { pipes, task }) }
    }

    /// Another client of the same application that shows this cookie, or none.
    #[must_use]
    pub fn another(&self, cookie: Option<String>) -> Self {
        Self { cookie: Arc::new(Mutex::new(cookie)), ..self.clone() }
    }

    /// The `name=value` that the next request will show.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The cookie of a client that has a session.
    pub fn session(&self) -> String {
        self.cookie().expect("a session cookie")
    }

    fn keep_cookie(&self, answer: &Answer) {
        for line in answer.set_cookies() {
            let removed = line.contains("Max-Age=0");
            let pair = line.split(';').next().map(str::to_owned);
            *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = pair.filter(|_| !removed);
        }
    }

    /// A GET. It does nothing before it is polled, and its client is gone when it is dropped.
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> + Send + use<> {
        let (client, path, cookie) = (self.clone(), path.to_owned(), self.cookie());
        async move {
            let answer = request(&client.router, Method::GET, &path, cookie.as_deref(), "").await;
            client.keep_cookie(&answer);
            answer
        }
    }

    /// A socket in the namespace `/`.
    pub async fn socket(&self) -> PipeSocket {
        self.socket_through(WIDE).await
    }

    /// A socket whose pipe holds so many bytes in each direction.
    pub async fn socket_through(&self, bytes: usize) -> PipeSocket {
        let (near, far) = duplex(bytes);
        self.server.pipes.send(far).expect("a server that serves");
        let mut request = "ws://inside/socket.io/?EIO=4&transport=websocket"
            .into_client_request()
            .expect("a request for a WebSocket");
        if let Some(cookie) = self.cookie() {
            request.headers_mut().insert(COOKIE, HeaderValue::from_str(&cookie).expect("a header"));
        }
        let (connection, _) = client_async(request, near).await.expect("a handshake");
        let mut socket = PipeSocket { connection, next_ack: 0 };
        socket.send(&[join_frame("/")]).await;
        match socket.next().await {
            Packet::Connected { .. } => socket,
            other => panic!("no CONNECT, but {other:?}"),
        }
    }
}

/// The far ends of the pipes.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// One socket. It reads only when it is told to, and it keeps nothing: packets come in the order of their arrival.
#[derive(Debug)]
pub struct PipeSocket {
    connection: WebSocketStream<DuplexStream>,
    next_ack: u64,
}

impl PipeSocket {
    /// Writes these frames, and reads nothing.
    pub async fn send(&mut self, frames: &[String]) {
        for frame in frames {
            let frame = Message::text(frame.as_str());
            self.connection.feed(frame).await.expect("a connection that takes frames");
        }
        self.connection.flush().await.expect("a connection that takes frames");
    }

    /// The next packet; Engine.IO's own business aside.
    pub async fn next(&mut self) -> Packet {
        loop {
            match soon("a packet", self.connection.next()).await {
                Some(Ok(Message::Text(text))) => {
                    if let Some(packet) = packet(&text) {
                        return packet;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Packet::Closed,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Emits to the namespace `/`; with an acknowledgement, of which the number is given.
    pub async fn emit(&mut self, event: &str, value: &Value, acknowledged: bool) -> Option<u64> {
        let id = acknowledged.then(|| {
            self.next_ack += 1;
            self.next_ack
        });
        self.send(&[event_frame("/", id, event, std::slice::from_ref(value))]).await;
        id
    }

    /// Emits and gives the acknowledgement, which must be the next packet.
    pub async fn ask(&mut self, event: &str, value: &Value) -> Value {
        let number = self.emit(event, value, true).await;
        match self.next().await {
            Packet::Ack { id, mut values, .. } if Some(id) == number => values.pop().unwrap_or_default(),
            other => panic!("no acknowledgement of {event}, but {other:?}"),
        }
    }
}

/// Polls the future so many times and drops it; what it came to, if it was ready by then.
pub async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future: Pin<Box<_>> = Box::pin(future);
    let mut left = polls;
    poll_fn(move |context| {
        if left > 0 {
            left -= 1;
            if let Poll::Ready(outcome) = future.as_mut().poll(context) {
                return Poll::Ready(Some(outcome));
            }
        }
        if left == 0 { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}
