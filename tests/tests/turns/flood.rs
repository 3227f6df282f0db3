//! A flood: tens of thousands of events in one go to a session whose handler is slow. What does not fit in the queue is refused,
//! memory stays bounded, and other sessions are served meanwhile. The server is a process of its own, so that its
//! memory is nobody else's.
//!
//! Clauses: 4.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, routing::get};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use socketioxide::extract::{Data, State as SocketState};
use socketioxide_session::{EventRouter, MemoryBackend, socket_handler, testing::Packet};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    fixture::shop::{self, Counter},
    gate::Gate,
    http::Browser,
    process::{Process, is_again, serve_parent},
    raw::{RawSocket, event_frame, join_frame},
    soak::short_or_long,
    soon,
};
use tokio::net::TcpSocket;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// How many events a flood has.
fn flood() -> u64 {
    short_or_long(40_000, 100_000)
}

/// The one that holds the turn, and those that may wait: the default of `with_max_waiters`.
const ACCEPTED: u64 = 1 + 4096;

/// What the flood may add to the memory of the server.
const BOUND_KB: u64 = 200 * 1024;

/// The events that the server has read, refused ones among them.
static READ: AtomicU64 = AtomicU64::new(0);

/// An argument that counts when it is extracted.
struct Counted;

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer)?;
        READ.fetch_add(1, Ordering::Relaxed);
        Ok(Self)
    }
}

async fn read() -> Json<u64> {
    Json(READ.load(Ordering::Relaxed))
}

/// Waits until the test lets it go on, and from then on not at all.
#[socket_handler(counter)]
async fn add(counter: &mut Counter, Data(_): Data<Counted>, SocketState(gate): SocketState<Gate>) -> u64 {
    gate.pass().await;
    counter.count += 1;
    counter.count
}

async fn open(State(gate): State<Gate>) {
    gate.open_for_all();
}

fn connected() -> EventRouter {
    EventRouter::new().on("add", add)
}

/// What this test is in the server's process: an application, until its parent goes.
async fn be_the_server() {
    let gate = Gate::default();
    let routes = Router::new()
        .route("/hit", get(shop::http::add))
        .route("/count", get(shop::http::count))
        .route("/open", get(open))
        .route("/read", get(read));
    let application = with_sockets(routes, gate, |io| io.ns("/", connected()));
    // The queue alone decides, however long a busy machine takes for the flood.
    let patient = Duration::from_mins(10);
    let layer = sessions(MemoryBackend::default()).with_turn_timeout(patient).with_turn_limit(patient);
    serve_parent(application.layer(layer)).await;
}

/// The server's process; it ends with this.
struct Server {
    process: Process,
    app: App,
}

impl Server {
    async fn start(test: &str) -> Self {
        let mut process = Process::again(test);
        Self { app: process.app().await, process }
    }
}

/// What came back for one event: the value, or the code of the error.
fn outcome(value: &Value) -> String {
    value["code"].as_str().map_or_else(|| "done".to_owned(), str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_excess_is_refused_in_bounded_memory_while_others_are_served() {
    if is_again() {
        return be_the_server().await;
    }
    let server =
        Server::start("flood::the_excess_is_refused_in_bounded_memory_while_others_are_served").await;
    let (attacker, other) = (Browser::new(&server.app), Browser::new(&server.app));
    attacker.get("/hit").await.ok();
    other.get("/hit").await.ok();
    let mut socket = RawSocket::connect(&server.app, Some(&attacker.session())).await;
    let idle = server.process.memory("VmRSS");

    // Every other event asks for an acknowledgement.
    let events = flood();
    let frames: Vec<_> =
        (0..events).map(|n| event_frame("/", (n % 2 == 0).then_some(n), "add", &[json!(n)])).collect();
    let began = Instant::now();
    let mut counts: HashMap<String, u64> = HashMap::new();
    let flooding = async {
        socket.send(&frames).await;
        let sent = began.elapsed();
        for _ in ACCEPTED..events {
            let kind = match socket.wait("a refusal", |_| true).await {
                Packet::Ack { id, args: values, .. } => {
                    assert!(id >= ACCEPTED, "refused although there was room: {id}");
                    format!("ack {}", outcome(&values[0]))
                }
                Packet::Event { name, args: values, .. } => format!("{name} {}", outcome(&values[0])),
                other => panic!("{other:?}"),
            };
            *counts.entry(kind).or_default() += 1;
        }
        sent
    };
    let mut latencies = Vec::new();
    let others = async {
        loop {
            let asked = Instant::now();
            other.get("/hit").await.ok();
            latencies.push(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let sent = tokio::select! {
        sent = flooding => sent,
        () = others => unreachable!("they go on and on"),
    };
    let took = began.elapsed();
    let (after, peak) = (server.process.memory("VmRSS"), server.process.memory("VmHWM"));
    latencies.sort_unstable();
    let (median, worst) = (latencies[latencies.len() / 2], latencies[latencies.len() - 1]);
    println!(
        "{events} events sent in {sent:.1?}, refused in {took:.1?}: {counts:?}; memory {idle} kB before, {after} kB \
         after, {peak} kB at most; {} requests of another session: {median:.1?} in the median, {worst:.1?} at most",
        latencies.len(),
    );
    assert!(peak - idle < BOUND_KB, "{idle} kB before, {peak} kB at most");
    // Who is held up waits until the end.
    assert!(median < Duration::from_secs(2) && worst < Duration::from_secs(30), "{median:?}, {worst:?}");
    assert_eq!(counts["ack too_many_waiters"] + counts["session_error too_many_waiters"], events - ACCEPTED);

    // Those that were accepted all take effect, in order.
    attacker.get("/open").await.ok();
    for id in (0..ACCEPTED).step_by(2) {
        assert_eq!(socket.answer("/", id).await, 1 + id + 1);
    }
    assert_eq!(attacker.get("/count").await.json(), 1 + ACCEPTED);
}

/// What a flood of so many events adds to the memory of a server whose client reads no answer.
async fn memory_of(test: &str, events: u64) -> u64 {
    let server = Server::start(test).await;
    let attacker = Browser::new(&server.app);
    attacker.get("/hit").await.ok();
    let idle = server.process.memory("VmRSS");

    let connection = TcpSocket::new_v4().expect("a socket");
    connection.set_recv_buffer_size(4096).expect("a small buffer");
    let connection = connection.connect(server.app.address()).await.expect("a connection");
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.app.address());
    let mut request = url.into_client_request().expect("a request");
    let cookie = HeaderValue::from_str(&attacker.session()).expect("a header");
    request.headers_mut().insert("cookie", cookie);
    let (mut connection, _) = client_async(request, connection).await.expect("a handshake");
    connection.send(Message::text(join_frame("/"))).await.expect("a connection");
    // The opening, the CONNECT and that it is ready are all that it reads.
    for _ in 0..3 {
        soon("the server's first words", connection.next()).await.expect("a frame").expect("a frame");
    }
    for n in 0..events {
        // A server may end a connection that floods it.
        if connection.feed(Message::text(event_frame("/", Some(n), "add", &[json!(n)]))).await.is_err() {
            break;
        }
    }
    connection.flush().await.ok();
    // Until the server has read all of it, or no more of it.
    let mut seen = 0;
    while seen < events {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let read = attacker.get("/read").await.json().as_u64().expect("a number");
        if read == seen {
            break;
        }
        seen = read;
    }
    let peak = server.process.memory("VmHWM");
    println!(
        "{events} events, of which {seen} are read and no answer is: {idle} kB before, {peak} kB at most"
    );
    peak - idle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_flood() {
    if is_again() {
        return be_the_server().await;
    }
    let test = "flood::memory_does_not_grow_with_the_flood";
    let (small, large) = (memory_of(test, flood() / 4).await, memory_of(test, flood()).await);
    assert!(large < 2 * small, "{small} kB for a quarter of the events, {large} kB for all");
}
