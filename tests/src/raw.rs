//! A small Socket.IO client over a real connection, for what only the edge shows and for other processes: frames are
//! written as the test says, many in one go if it wants.

use std::collections::VecDeque;

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::Value;
use socketioxide_session::testing::Packet;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderMap, HeaderValue},
    },
};

use crate::{
    app::App,
    http::{Answer, get},
    soon,
};

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One connection, over WebSocket from the start.
#[derive(Debug)]
pub struct RawSocket {
    sink: SplitSink<Connection, Message>,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    kept: VecDeque<Packet>,
    next_ack: u64,
    /// The headers of the handshake's response.
    pub headers: HeaderMap,
    /// The `Set-Cookie` lines of the handshake.
    pub set_cookies: Vec<String>,
    /// Engine.IO's name of the connection.
    pub sid: String,
}

#[derive(Debug)]
enum Incoming {
    Packet(Packet),
    Ping,
}

impl RawSocket {
    /// Shakes hands, showing this `Cookie` line; `Err` is the status of a refusal and its text.
    pub async fn open(app: &App, cookie: Option<&str>) -> Result<Self, (u16, String)> {
        let headers: Vec<_> = cookie.iter().map(|line| ("cookie", *line)).collect();
        Self::open_with(app, &headers).await
    }

    /// Shakes hands with these headers. A status of 0: there was no answer.
    pub async fn open_with(app: &App, headers: &[(&'static str, &str)]) -> Result<Self, (u16, String)> {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", app.address());
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let (mut connection, response) = match soon("a handshake", connect_async(request)).await {
            Ok(done) => done,
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                return Err((response.status().as_u16(), String::from_utf8_lossy(body).into_owned()));
            }
            Err(error) => return Err((0, error.to_string())),
        };
        let headers = response.into_parts().0.headers;
        let lines = headers.get_all("set-cookie");
        let set_cookies =
            lines.iter().map(|line| line.to_str().expect("a readable cookie").to_owned()).collect();
        let Some(Ok(opening)) = soon("Engine.IO's opening", connection.next()).await else {
            return Err((0, "the connection ended before Engine.IO's opening".to_owned()));
        };
        let opening = opening.into_text().expect("text");
        let opening: Value = serde_json::from_str(&opening[1..]).expect("the opening's JSON");
        let sid = opening["sid"].as_str().expect("a sid").to_owned();
        let (sink, stream) = connection.split();
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(read(stream, sender));
        Ok(Self { sink, incoming, kept: VecDeque::new(), next_ack: 0, headers, set_cookies, sid })
    }

    /// A connection to the namespace `/`.
    pub async fn connect(app: &App, cookie: Option<&str>) -> Self {
        let mut socket =
            Self::open(app, cookie).await.unwrap_or_else(|refusal| panic!("no handshake: {refusal:?}"));
        socket.join("/").await.unwrap_or_else(|message| panic!("connect_error: {message}"));
        socket
    }

    /// Joins a namespace; `Err` is the message of the `connect_error`.
    pub async fn join(&mut self, namespace: &str) -> Result<(), String> {
        self.send(&[join_frame(namespace)]).await;
        let what = format!("an answer to joining {namespace}");
        let answer = |packet: &Packet| match packet {
            Packet::Connect { namespace: of, .. } | Packet::ConnectError { namespace: of, .. } => {
                of == namespace
            }
            _ => false,
        };
        match self.find(&what, answer).await {
            Some(Packet::ConnectError { data, .. }) => {
                Err(data["message"].as_str().unwrap_or_default().to_owned())
            }
            Some(_) => Ok(()),
            None => Err("the connection has ended".to_owned()),
        }
    }

    /// Writes these frames in one go. Where the server has died since, the end is what is heard next.
    pub async fn send(&mut self, frames: &[String]) {
        for frame in frames {
            self.sink.feed(Message::text(frame.as_str())).await.ok();
        }
        self.sink.flush().await.ok();
    }

    /// Writes one binary frame.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.sink.send(Message::binary(bytes)).await.expect("a connection that takes frames");
    }

    /// Emits to the namespace `/` and asks for no acknowledgement.
    pub async fn emit(&mut self, event: &str, values: &[Value]) {
        self.send(&[event_frame("/", None, event, values)]).await;
    }

    /// Emits to the namespace `/` and gives the acknowledgement.
    pub async fn ask(&mut self, event: &str, values: &[Value]) -> Value {
        self.ask_in("/", event, values).await
    }

    pub async fn ask_in(&mut self, namespace: &str, event: &str, values: &[Value]) -> Value {
        let id = self.ask_later(namespace, event, values).await;
        self.answer(namespace, id).await
    }

    /// Emits and gives the number of the acknowledgement to wait for.
    pub async fn ask_later(&mut self, namespace: &str, event: &str, values: &[Value]) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send(&[event_frame(namespace, Some(id), event, values)]).await;
        id
    }

    /// The one value of an acknowledgement; `null` where it has none.
    pub async fn answer(&mut self, namespace: &str, number: u64) -> Value {
        let what = format!("acknowledgement {number}");
        let packet = self.wait(
            &what,
            |packet| matches!(packet, Packet::Ack { namespace: of, id, .. } if of == namespace && *id == number),
        );
        match packet.await {
            Packet::Ack { mut args, .. } => {
                assert!(args.len() <= 1, "one value in the acknowledgement: {args:?}");
                args.pop().unwrap_or_default()
            }
            _ => unreachable!("only acknowledgements are let through"),
        }
    }

    /// The one value of an acknowledgement in the namespace `/`; `None` if the connection ends instead.
    pub async fn try_answer(&mut self, number: u64) -> Option<Value> {
        let what = format!("acknowledgement {number}");
        let answer = |packet: &Packet| match packet {
            Packet::Ack { namespace, id, .. } => namespace == "/" && *id == number,
            Packet::Disconnect { namespace } => panic!("the server ended {namespace} before {what}"),
            _ => false,
        };
        match self.find(&what, answer).await? {
            Packet::Ack { mut args, .. } => args.pop(),
            _ => None,
        }
    }

    /// The numbers of the next so many acknowledgements, in the order in which they come.
    pub async fn next_answers(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            match self.wait("an acknowledgement", |packet| matches!(packet, Packet::Ack { .. })).await {
                Packet::Ack { id, .. } => numbers.push(id),
                _ => unreachable!("only acknowledgements are let through"),
            }
        }
        numbers
    }

    /// The values of the next event of that name.
    pub async fn event(&mut self, name: &str) -> Vec<Value> {
        let what = format!("the event {name}");
        let packet =
            self.wait(&what, |packet| matches!(packet, Packet::Event { name: of, .. } if of == name)).await;
        match packet {
            Packet::Event { args, .. } => args,
            _ => unreachable!("only events are let through"),
        }
    }

    /// Waits until the server has ended the namespace, or the connection.
    pub async fn disconnected(&mut self, namespace: &str) {
        let what = format!("the end of {namespace}");
        let is_end =
            |packet: &Packet| matches!(packet, Packet::Disconnect { namespace: of } if of == namespace);
        self.find(&what, is_end).await;
    }

    /// The first packet that `wanted` accepts; the others are kept for those who ask later.
    pub async fn wait(&mut self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Packet {
        let packet = self.find(what, wanted).await;
        packet.unwrap_or_else(|| panic!("the connection ended before {what}: {:?}", self.kept))
    }

    /// As [`wait`](Self::wait); `None` if the connection has ended.
    pub async fn find(&mut self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Option<Packet> {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at);
        }
        loop {
            match soon(what, self.incoming.recv()).await? {
                // Where the server has died since, the end is what is heard next.
                Incoming::Ping => drop(self.sink.send(Message::text("3")).await),
                Incoming::Packet(packet) if wanted(&packet) => return Some(packet),
                Incoming::Packet(packet) => self.kept.push_back(packet),
            }
        }
    }

    /// Everything of the server that was heard and nobody has asked for.
    pub fn unasked(&self) -> impl Iterator<Item = &Packet> {
        self.kept.iter()
    }

    /// Goes away without a word, as a client whose network is gone does once the system notices.
    pub fn vanish(self) {
        drop(self);
    }

    /// Says goodbye and closes.
    pub async fn leave(mut self) {
        self.send(&["41".to_owned()]).await;
        self.sink.close().await.ok();
    }
}

/// A handshake over polling and nothing more.
pub async fn poll(app: &App, cookie: Option<&str>) -> Answer {
    get(app, "/socket.io/?EIO=4&transport=polling", cookie).await
}

pub fn join_frame(namespace: &str) -> String {
    Packet::connect(namespace).to_string()
}

pub fn event_frame(namespace: &str, ack: Option<u64>, event: &str, values: &[Value]) -> String {
    Packet::event(namespace, ack, event, values).to_string()
}

async fn read(mut stream: SplitStream<Connection>, sender: mpsc::UnboundedSender<Incoming>) {
    loop {
        let frame = tokio::select! {
            frame = stream.next() => frame,
            () = sender.closed() => return,
        };
        let incoming = match frame {
            Some(Ok(Message::Text(text))) if text == "2" => Some(Incoming::Ping),
            Some(Ok(Message::Text(text))) => Packet::parse(&text).map(Incoming::Packet),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            Some(Ok(_)) => None,
        };
        if incoming.is_some_and(|incoming| sender.send(incoming).is_err()) {
            return;
        }
    }
}
