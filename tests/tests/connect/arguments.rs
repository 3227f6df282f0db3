//! An extractor that fails on a socket is heard: nothing runs, and no place is taken.
//!
//! Clauses: 6.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::Router;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    adapter::Adapter,
    extract::{Data, Event, Extension, SocketRef, State, TryData},
    handler::{FromMessage, Value as Packet},
    socket::Socket as ServerSocket,
};
use socketioxide_session::{
    EventRouter, MemoryBackend, SessionControl, Shared, connect_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    fixture::shop::Counter,
    gate::Gate,
    log::Log,
    node::{Connect, OfficialClients, Transport},
};
use tracing::Level;

/// How many handlers ran.
#[derive(Clone, Debug, Default)]
struct Runs(Arc<AtomicUsize>, Gate);

impl Runs {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[socket_handler(counter)]
async fn add(counter: &mut Counter, State(runs): State<Runs>, Data(n): Data<u64>) -> u64 {
    runs.0.fetch_add(1, Ordering::SeqCst);
    counter.count += n;
    counter.count
}

#[socket_handler(counter)]
async fn hold(counter: &mut Counter, State(runs): State<Runs>) -> u64 {
    counter.count += 100;
    runs.1.pass().await;
    counter.count
}

/// Of the test that reads the log: a line is limited for each handler, and other tests have theirs.
#[socket_handler]
async fn logged(Data(_): Data<u64>) {}

/// A server that forgot to insert it.
#[socket_handler]
async fn forgotten(_: Extension<u8>) {}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is never had")]
struct Fragile(#[serde(deserialize_with = "breaks")] u8);

fn breaks<'de, D: Deserializer<'de>>(_: D) -> Result<u8, D::Error> {
    panic!("as the test wants");
}

#[socket_handler(counter)]
async fn fragile(counter: &mut Counter, Data(_): Data<Fragile>) {
    counter.count += 1;
}

/// Takes the whole packet, as only a last argument can.
struct Whole(usize);

impl<A: Adapter> FromMessage<A> for Whole {
    type Error = std::io::Error;

    fn from_message(_: Arc<ServerSocket<A>>, packet: Packet, _: Option<i64>) -> Result<Self, Self::Error> {
        match packet {
            Packet::Str(text, _) if text.len() < 40 => Ok(Self(text.len())),
            Packet::Str(..) | Packet::Bytes(_) => Err(std::io::Error::other("too long for the test")),
        }
    }
}

#[socket_handler(counter)]
async fn whole(counter: &mut Counter, State(_): State<Runs>, Whole(length): Whole) -> usize {
    counter.count += 1;
    length
}

#[socket_handler]
async fn needs_control(_: SessionControl) {}

#[socket_handler]
async fn needs_shared(_: Shared<Counter>) {}

#[socket_handler(counter)]
async fn any_event(counter: &Counter, Event(_): Event, Data(_): Data<u64>) -> u64 {
    counter.count
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("inside", add);
    socket.on_fallback(any_event);
}

/// Registers on a connection that no layer saw.
async fn plain(socket: SocketRef, _: TryData<Value>) {
    socket.on("control", needs_control);
    socket.on("shared", needs_shared);
    socket.on("add", add);
}

fn namespaces(io: &SocketIo) {
    let router = connected.on("add", add).on("hold", hold).on("forgotten", forgotten);
    io.ns("/", router.on("for the log", logged).on("fragile", fragile).on("whole", whole));
    io.ns("/plain", plain);
    io.ns("/router", EventRouter::new().on("add", add));
}

fn app() -> (App, Runs) {
    let runs = Runs::default();
    let application = with_sockets(Router::new(), runs.clone(), namespaces);
    (App::new(application.layer(sessions(MemoryBackend::default()))), runs)
}

async fn socket() -> (Socket, Runs) {
    let (app, runs) = app();
    (Client::new(&app).socket().await, runs)
}

fn is_bad(answer: &Value) -> bool {
    answer["code"] == "bad_argument" && answer["error"].is_string() && !answer.to_string().contains("seven")
}

#[tokio::test]
async fn is_acknowledged_as_bad_argument_and_nothing_runs() {
    let (mut socket, runs) = socket().await;
    for event in ["add", "inside", "an unknown one"] {
        let answer = socket.ask(event, &[json!("seven")]).await;
        assert!(is_bad(&answer), "{event}: {answer}");
    }
    assert!(is_bad(&socket.ask("add", &[]).await));
    assert_eq!(runs.count(), 0);
    assert_eq!(socket.ask("add", &[json!(7)]).await, 7);
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn is_a_session_error_where_no_acknowledgement_is_awaited() {
    let (mut socket, _) = socket().await;
    socket.emit("add", &[json!("seven")]).await;
    assert!(is_bad(&socket.event("session_error").await[0]));
    assert_eq!(socket.ask("add", &[json!(7)]).await, 7);
}

/// The queue stands; what cannot be called waits in no line.
#[tokio::test]
async fn takes_no_place_in_a_queue() {
    let (mut socket, runs) = socket().await;
    let held = socket.ask_later("/", "hold", &[]).await;
    runs.1.reached().await;
    assert!(is_bad(&socket.ask("add", &[json!("seven")]).await));
    let next = socket.ask_later("/", "add", &[json!(7)]).await;
    runs.1.open();
    assert_eq!(socket.answer("/", held).await, 100);
    assert_eq!(socket.answer("/", next).await, 107);
}

#[tokio::test]
async fn official_clients_hear_it_on_both_transports() {
    let (app, _) = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        assert!(is_bad(&socket.ask("add", &[json!("seven")]).await));
    }
}

#[tokio::test]
async fn is_logged_with_event_and_handler_and_without_what_the_client_sent() {
    let (log, _logging) = Log::begin(Level::WARN);
    let (mut socket, _) = socket().await;
    for _ in 0..3 {
        socket.ask("for the log", &[json!("seven")]).await;
    }
    // One line, for a client could fill the log.
    assert_eq!(log.lines("an argument cannot be extracted"), 1, "{}", log.text());
    let text = log.text();
    for word in ["for the log", "handler=\"connect::arguments::logged\"", "bad_argument", "Data<u64>"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!text.contains("seven"), "{text}");
}

#[tokio::test]
async fn a_panic_of_one_is_an_error_of_its_call_and_the_connection_lives() {
    let (mut socket, _) = socket().await;
    assert_eq!(socket.ask("fragile", &[json!([1])]).await["code"], "panicked");
    assert_eq!(socket.ask("add", &[json!(1)]).await, 1);
}

#[tokio::test]
async fn one_that_takes_the_whole_packet_comes_last() {
    let (mut socket, _) = socket().await;
    assert!(socket.ask("whole", &[json!(1)]).await.is_u64());
    let answer = socket.ask("whole", &[json!("a text that is longer than forty characters are")]).await;
    assert_eq!(answer["code"], "bad_argument");
}

#[tokio::test]
async fn what_the_server_lacks_is_heard_too() {
    let (mut socket, _) = socket().await;
    assert_eq!(socket.ask("forgotten", &[]).await["code"], "bad_argument");
}

/// Without the layer: the crate's own extractors say what to write.
#[tokio::test]
async fn a_missing_layer_is_heard() {
    let application = with_sockets(Router::new(), Runs::default(), namespaces);
    let app = App::new(application);
    let mut socket = Socket::open(&app, None).await.expect("a handshake");
    socket.join("/plain").await.expect("a connection");
    for event in ["control", "shared"] {
        let answer = socket.ask_in("/plain", event, &[json!(1)]).await;
        assert_eq!(answer["code"], "layer_missing", "{event}: {answer}");
    }
    assert_eq!(socket.ask_in("/plain", "add", &[json!(1)]).await["code"], "layer_missing");
    let message = socket.join("/router").await.expect_err("a connect_error");
    assert!(message.contains("SessionLayer"), "{message}");
}
