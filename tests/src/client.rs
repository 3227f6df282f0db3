//! Clients of an application in this process: those of the crate's `testing` module, with the words of these tests.

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use axum::{Router, http::header::COOKIE};
use serde_json::Value;
use socketioxide_session::testing::{
    Connect, ConnectError, Packet, TestClient, TestConnection, TestRequest, Transport,
};
use tokio::task::JoinHandle;

use crate::{app::App, http::Answer, raw::event_frame};

/// A client that keeps its cookies, as a browser does; it follows no redirects. Clones share the cookies.
#[derive(Clone, Debug)]
pub struct Client(TestClient);

impl Client {
    pub fn new(app: &App) -> Self {
        Self(app.here().client())
    }

    /// The only client of an application.
    pub fn of(router: Router) -> Self {
        Self::new(&App::new(router))
    }

    /// Another client of the same application that shows this cookie, or none.
    #[must_use]
    pub fn another(&self, cookie: Option<&str>) -> Self {
        Self(self.0.another(cookie))
    }

    /// A GET. It does nothing before it is polled, and its client is gone when it is dropped.
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> + Send + use<> {
        answer(self.0.get(path))
    }

    #[track_caller]
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> impl Future<Output = Answer> + Send + use<> {
        answer(self.0.post_form(path, &form))
    }

    /// The `Cookie` line that the next request will show.
    pub fn cookie(&self) -> Option<String> {
        self.0.cookies()
    }

    /// The `Cookie` line of a client that has a session.
    pub fn session(&self) -> String {
        self.cookie().expect("a session cookie")
    }

    pub fn keep(&self, cookie: &str) {
        self.0.set_cookie(cookie);
    }

    /// A socket in the namespace `/`.
    pub async fn socket(&self) -> Socket {
        Socket::of(self.0.connect("/")).await.joined_root().await
    }

    /// A socket whose pipe holds so many bytes in each direction.
    pub async fn socket_through(&self, bytes: usize) -> Socket {
        Socket::of(self.0.connect("/").through(bytes)).await.joined_root().await
    }
}

fn answer(request: TestRequest) -> impl Future<Output = Answer> + Send + use<> {
    let response = request.into_future();
    async move {
        let response = response.await;
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().to_owned(),
        }
    }
}

/// One GET that shows this `Cookie` line, or none, and keeps nothing.
#[track_caller]
pub fn get(app: &App, path: &str, cookie: Option<&str>) -> impl Future<Output = Answer> + Send + use<> {
    let request = app.here().client().get(path);
    answer(match cookie {
        Some(line) => request.header(COOKIE, line),
        None => request,
    })
}

/// A handshake over polling and nothing more.
#[track_caller]
pub fn poll(app: &App, cookie: Option<&str>) -> impl Future<Output = Answer> + Send + use<> {
    get(app, "/socket.io/?EIO=4&transport=polling", cookie)
}

/// A request that is under way; dropped, its client is gone.
#[derive(Debug)]
pub struct Underway(JoinHandle<Answer>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a GET and does not wait for the answer.
pub fn begin(app: &App, path: &str, cookie: Option<&str>) -> Underway {
    Underway(tokio::spawn(get(app, path, cookie)))
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

/// One connection, whose packets stay in the order in which they come.
#[derive(Debug)]
pub struct Socket {
    pub connection: TestConnection,
    next_ack: u64,
    /// The `Set-Cookie` lines of the handshake.
    pub set_cookies: Vec<String>,
    /// Engine.IO's name of the connection.
    pub sid: String,
}

impl Socket {
    /// Shakes hands, showing this `Cookie` line; `Err` is the status of a refusal and its text.
    pub async fn open(app: &App, cookie: Option<&str>) -> Result<Self, (u16, String)> {
        Self::opened(handshake(app, cookie)).await
    }

    /// A connection to the namespace `/`.
    pub async fn connect(app: &App, cookie: Option<&str>) -> Self {
        Self::of(handshake(app, cookie)).await.joined_root().await
    }

    /// A connection to the namespace `/` that polls.
    pub async fn polling(app: &App, cookie: Option<&str>) -> Self {
        Self::of(handshake(app, cookie).over(Transport::Polling)).await.joined_root().await
    }

    async fn of(connect: Connect) -> Self {
        Self::opened(connect).await.unwrap_or_else(|refusal| panic!("no handshake: {refusal:?}"))
    }

    async fn opened(connect: Connect) -> Result<Self, (u16, String)> {
        match connect.open().await {
            Ok(connection) => Ok(Self {
                next_ack: 0,
                set_cookies: connection.handshake().set_cookies(),
                sid: connection.sid().to_owned(),
                connection,
            }),
            Err(ConnectError::Handshake(response)) => {
                Err((response.status().as_u16(), response.text().to_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn joined_root(self) -> Self {
        self.join("/").await.unwrap_or_else(|message| panic!("connect_error: {message}"));
        self
    }

    /// Joins a namespace; `Err` is the message of the `connect_error`.
    pub async fn join(&self, namespace: &str) -> Result<(), String> {
        self.connection.join(namespace).await.map(drop).map_err(message)
    }

    /// The outcome of a join that was sent before.
    pub async fn joined(&self, namespace: &str) -> Result<(), String> {
        self.connection.joined(namespace).await.map(drop).map_err(message)
    }

    /// Writes these frames in one go.
    #[track_caller]
    pub fn send(&self, frames: &[String]) -> impl Future<Output = ()> + Send + use<> {
        self.connection.send_frames(frames.to_vec())
    }

    /// Emits to the namespace `/` and asks for no acknowledgement.
    #[track_caller]
    pub fn emit(&self, event: &str, values: &[Value]) -> impl Future<Output = ()> + Send + use<> {
        self.connection.send_frames([event_frame("/", None, event, values)])
    }

    /// Emits to the namespace `/` and gives the acknowledgement.
    pub async fn ask(&mut self, event: &str, values: &[Value]) -> Value {
        self.ask_in("/", event, values).await
    }

    pub async fn ask_in(&mut self, namespace: &str, event: &str, values: &[Value]) -> Value {
        let id = self.ask_later(namespace, event, values).await;
        self.answer(namespace, id).await
    }

    /// Emits to the namespace `/` and gives the acknowledgement; `None` if the server ends the namespace instead.
    pub async fn try_ask(&mut self, event: &str, values: &[Value]) -> Option<Value> {
        let number = self.ask_later("/", event, values).await;
        let is_outcome = |packet: &Packet| match packet {
            Packet::Ack { id, .. } => *id == number,
            Packet::Disconnect { namespace } => namespace == "/",
            _ => false,
        };
        match self.connection.packet(is_outcome).await? {
            Packet::Ack { mut args, .. } => Some(args.pop().unwrap_or_default()),
            _ => None,
        }
    }

    /// Emits and gives the number of the acknowledgement to wait for.
    pub async fn ask_later(&mut self, namespace: &str, event: &str, values: &[Value]) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send(&[event_frame(namespace, Some(id), event, values)]).await;
        id
    }

    /// Emits all in one go, without values, and gives the numbers of the acknowledgements to wait for.
    pub async fn ask_all_later(&mut self, events: &[&str]) -> Vec<u64> {
        let numbers: Vec<_> = (self.next_ack..).take(events.len()).collect();
        self.next_ack += events.len() as u64;
        let numbered = numbers.iter().zip(events);
        let frames: Vec<_> = numbered.map(|(id, event)| event_frame("/", Some(*id), event, &[])).collect();
        self.send(&frames).await;
        numbers
    }

    /// Emits all in one go and gives the acknowledgements in the order of the events.
    pub async fn ask_all(&mut self, events: &[(&str, Value)]) -> Vec<Value> {
        let first = self.next_ack;
        let numbered = (first..).zip(events);
        let frames: Vec<_> = numbered
            .map(|(id, (event, value))| event_frame("/", Some(id), event, std::slice::from_ref(value)))
            .collect();
        self.next_ack += frames.len() as u64;
        self.send(&frames).await;
        let mut answers = Vec::with_capacity(frames.len());
        for id in first..self.next_ack {
            answers.push(self.answer("/", id).await);
        }
        answers
    }

    /// The one value of an acknowledgement; `null` where it has none.
    pub async fn answer(&self, namespace: &str, number: u64) -> Value {
        let what = format!("acknowledgement {number}");
        let wanted = |packet: &Packet| matches!(packet, Packet::Ack { namespace: of, id, .. } if of == namespace && *id == number);
        match self.wait(&what, wanted).await {
            Packet::Ack { mut args, .. } => {
                assert!(args.len() <= 1, "one value in the acknowledgement: {args:?}");
                args.pop().unwrap_or_default()
            }
            _ => unreachable!("only acknowledgements are let through"),
        }
    }

    /// The values of the next event of that name.
    pub async fn event(&self, name: &str) -> Vec<Value> {
        let what = format!("the event {name}");
        match self.wait(&what, |packet| matches!(packet, Packet::Event { name: of, .. } if of == name)).await
        {
            Packet::Event { args, .. } => args,
            _ => unreachable!("only events are let through"),
        }
    }

    /// Waits until the server has ended the namespace, or the connection.
    pub async fn disconnected(&self, namespace: &str) {
        let is_end =
            |packet: &Packet| matches!(packet, Packet::Disconnect { namespace: of } if of == namespace);
        self.connection.packet(is_end).await;
    }

    /// Stays connected to the namespace `/` for so long; `false` if the server ended it meanwhile.
    pub async fn listen(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.disconnected("/")).await.is_err()
    }

    /// The first packet that `wanted` accepts; the others are kept for those who ask later.
    pub async fn wait(&self, what: &str, wanted: impl Fn(&Packet) -> bool + Send) -> Packet {
        let packet = self.connection.packet(wanted).await;
        packet.unwrap_or_else(|| {
            panic!("the connection ended before {what}: {:?}", self.connection.overtaken())
        })
    }

    /// The next packet; `None` once the connection has ended.
    pub async fn next(&self) -> Option<Packet> {
        self.connection.packet(|_| true).await
    }

    /// Everything of the server that was heard before what was waited for, and nobody has asked for.
    pub fn unasked(&self) -> Vec<Packet> {
        self.connection.overtaken()
    }

    /// Goes away without a word, as a client whose network is gone does once the system notices.
    pub fn vanish(self) {
        drop(self);
    }

    /// Says goodbye and closes.
    pub async fn leave(self) {
        self.send(&[Packet::Disconnect { namespace: "/".to_owned() }.to_string()]).await;
        self.connection.close().await;
    }
}

fn handshake(app: &App, cookie: Option<&str>) -> Connect {
    let connect = app.here().client().connect("/");
    match cookie {
        Some(line) => connect.header(COOKIE, line),
        None => connect,
    }
}

fn message(error: ConnectError) -> String {
    match error {
        ConnectError::Namespace { message, .. } => message,
        error => panic!("{error}"),
    }
}
