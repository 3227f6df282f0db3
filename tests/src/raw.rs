//! A small Socket.IO client that shows its hands: frames are written as the test says, many in one go if it wants.

use std::collections::VecDeque;

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    app::App,
    http::{Answer, get},
    soon,
};

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What came from the server, Engine.IO's own packets aside.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    Connected { namespace: String },
    Refused { namespace: String, message: String },
    Event { namespace: String, name: String, values: Vec<Value> },
    Ack { namespace: String, id: u64, values: Vec<Value> },
    Disconnected { namespace: String },
    Closed,
}

/// One connection, over WebSocket from the start.
#[derive(Debug)]
pub struct RawSocket {
    sink: SplitSink<Connection, Message>,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    kept: VecDeque<Packet>,
    next_ack: u64,
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

    /// Shakes hands with these headers.
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
            Err(error) => panic!("no handshake: {error}"),
        };
        let lines = response.headers().get_all("set-cookie");
        let set_cookies =
            lines.iter().map(|line| line.to_str().expect("a readable cookie").to_owned()).collect();
        let opening = soon("Engine.IO's opening", connection.next()).await;
        let opening =
            opening.expect("an opening").expect("an opening that arrives").into_text().expect("text");
        let opening: Value = serde_json::from_str(&opening[1..]).expect("the opening's JSON");
        let sid = opening["sid"].as_str().expect("a sid").to_owned();
        let (sink, stream) = connection.split();
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(read(stream, sender));
        Ok(Self { sink, incoming, kept: VecDeque::new(), next_ack: 0, set_cookies, sid })
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
        self.joined(namespace).await
    }

    /// The outcome of a join that was sent before.
    pub async fn joined(&mut self, namespace: &str) -> Result<(), String> {
        let what = format!("an answer to joining {namespace}");
        let answer = |packet: &Packet| match packet {
            Packet::Connected { namespace: of } | Packet::Refused { namespace: of, .. } => of == namespace,
            _ => false,
        };
        match self.wait(&what, answer).await {
            Packet::Refused { message, .. } => Err(message),
            _ => Ok(()),
        }
    }

    /// Writes these frames in one go.
    pub async fn send(&mut self, frames: &[String]) {
        for frame in frames {
            self.sink.feed(Message::text(frame.as_str())).await.expect("room for a frame");
        }
        self.sink.flush().await.expect("a connection that takes frames");
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
    pub async fn answer(&mut self, namespace: &str, number: u64) -> Value {
        let what = format!("acknowledgement {number}");
        let packet = self.wait(
            &what,
            |packet| matches!(packet, Packet::Ack { namespace: of, id, .. } if of == namespace && *id == number),
        );
        match packet.await {
            Packet::Ack { mut values, .. } => {
                assert!(values.len() <= 1, "one value in the acknowledgement: {values:?}");
                values.pop().unwrap_or_default()
            }
            _ => unreachable!("only acknowledgements are let through"),
        }
    }

    /// The values of the next event of that name.
    pub async fn event(&mut self, name: &str) -> Vec<Value> {
        let what = format!("the event {name}");
        let packet =
            self.wait(&what, |packet| matches!(packet, Packet::Event { name: of, .. } if of == name)).await;
        match packet {
            Packet::Event { values, .. } => values,
            _ => unreachable!("only events are let through"),
        }
    }

    /// Waits until the server has ended the namespace, or the connection.
    pub async fn disconnected(&mut self, namespace: &str) {
        let what = format!("the end of {namespace}");
        let gone = |packet: &Packet| match packet {
            Packet::Disconnected { namespace: of } => of == namespace,
            Packet::Closed => true,
            _ => false,
        };
        self.wait(&what, gone).await;
    }

    /// The first packet that `wanted` accepts; the others are kept for those who ask later.
    pub async fn wait(&mut self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Packet {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at).expect("a position that was just found");
        }
        loop {
            match soon(what, self.incoming.recv()).await.unwrap_or(Incoming::Packet(Packet::Closed)) {
                // Where the server has died since, the end is what is heard next.
                Incoming::Ping => drop(self.sink.send(Message::text("3")).await),
                Incoming::Packet(packet) if wanted(&packet) => return packet,
                Incoming::Packet(Packet::Closed) => {
                    panic!("the connection ended before {what}: {:?}", self.kept)
                }
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
    format!("40{}", of(namespace))
}

pub fn event_frame(namespace: &str, ack: Option<u64>, event: &str, values: &[Value]) -> String {
    let mut all = vec![Value::from(event)];
    all.extend_from_slice(values);
    let ack = ack.map(|id| id.to_string()).unwrap_or_default();
    format!("42{}{ack}{}", of(namespace), Value::from(all))
}

fn of(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{namespace},") }
}

async fn read(mut stream: SplitStream<Connection>, sender: mpsc::UnboundedSender<Incoming>) {
    loop {
        let frame = tokio::select! {
            frame = stream.next() => frame,
            () = sender.closed() => return,
        };
        let incoming = match frame {
            Some(Ok(Message::Text(text))) if text == "2" => Some(Incoming::Ping),
            Some(Ok(Message::Text(text))) => packet(&text).map(Incoming::Packet),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Some(Incoming::Packet(Packet::Closed)),
            Some(Ok(_)) => None,
        };
        let last = matches!(incoming, Some(Incoming::Packet(Packet::Closed)));
        if incoming.is_some_and(|incoming| sender.send(incoming).is_err()) || last {
            return;
        }
    }
}

/// A text frame of the server's, `None` where it is Engine.IO's own business.
pub fn packet(frame: &str) -> Option<Packet> {
    let frame = frame.strip_prefix('4')?;
    let (kind, rest) = frame.split_at(1);
    let (namespace, rest) = match rest.split_once(',') {
        Some((namespace, rest)) if namespace.starts_with('/') => (namespace.to_owned(), rest),
        _ if rest.starts_with('/') => (rest.to_owned(), ""),
        _ => ("/".to_owned(), rest),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, body) = rest.split_at(digits);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let values = || body.as_array().cloned().unwrap_or_default();
    Some(match kind {
        "0" => Packet::Connected { namespace },
        "1" => Packet::Disconnected { namespace },
        "2" => {
            let mut values = values();
            let name = values.remove(0).as_str().expect("an event's name").to_owned();
            Packet::Event { namespace, name, values }
        }
        "3" => Packet::Ack {
            namespace,
            id: number.parse().expect("an acknowledgement's number"),
            values: values(),
        },
        "4" => {
            Packet::Refused { namespace, message: body["message"].as_str().unwrap_or_default().to_owned() }
        }
        _ => panic!("a packet that no test sends for: {frame}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn frames_are_written_as_the_protocol_says() {
        assert_eq!(join_frame("/"), "40");
        assert_eq!(join_frame("/shop"), "40/shop,");
        assert_eq!(event_frame("/", None, "add", &[json!(1)]), r#"42["add",1]"#);
        assert_eq!(event_frame("/shop", Some(7), "add", &[]), r#"42/shop,7["add"]"#);
    }

    #[test]
    fn frames_are_read_as_the_protocol_says() {
        let root = || "/".to_owned();
        let read = |frame| packet(frame).expect("a packet");
        assert_eq!(read(r#"40{"sid":"a"}"#), Packet::Connected { namespace: root() });
        assert_eq!(read(r#"40/shop,{"sid":"a"}"#), Packet::Connected { namespace: "/shop".to_owned() });
        let refused = Packet::Refused { namespace: root(), message: "no, never".to_owned() };
        assert_eq!(read(r#"44{"message":"no, never"}"#), refused);
        let event =
            Packet::Event { namespace: root(), name: "a".to_owned(), values: vec![json!({"b": [1, 2]})] };
        assert_eq!(read(r#"42["a",{"b":[1,2]}]"#), event);
        let ack = Packet::Ack { namespace: "/shop".to_owned(), id: 12, values: vec![json!(null)] };
        assert_eq!(read("43/shop,12[null]"), ack);
        assert_eq!(read("41/shop,"), Packet::Disconnected { namespace: "/shop".to_owned() });
        assert_eq!(packet("6"), None);
    }
}
