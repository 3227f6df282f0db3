//! Events of one socket take effect in the order in which they were sent, whoever else writes, and a read sees the
//! writes before it.
//!
//! Clauses: 3.

use std::{cell::Cell, time::Duration};

use axum::{Json, Router, routing::get};
use futures_util::future::join_all;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};
use socketioxide_session::{
    Backend, MemoryBackend, StoreBackend, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
    ready::{ready_socket, say_ready},
    stores::TestStore,
};
use tokio::{task::yield_now, time::sleep};

/// As many events as are sent in one go.
const EVENTS: u32 = 1000;

/// So many requests are under way at any time.
const LOOPS: usize = 4;

/// What the requests append is above every event's number.
const OF_REQUESTS: u32 = 1_000_000;

#[session_state]
struct Log {
    entries: Vec<u32>,
}

/// Waits differently often, so that handlers that ran side by side would overtake each other.
async fn append(log: &mut Log, number: u32) {
    let mut entries = std::mem::take(&mut log.entries);
    for _ in 0..number % 3 {
        yield_now().await;
    }
    entries.push(number);
    log.entries = entries;
}

#[socket_handler(log)]
async fn push(log: &mut Log, Data(number): Data<u32>) -> usize {
    append(log, number).await;
    log.entries.len()
}

/// The last number of an event.
#[socket_handler(log)]
async fn last(log: &Log) -> Option<u32> {
    log.entries.iter().rfind(|number| **number < OF_REQUESTS).copied()
}

#[http_handler(log)]
async fn mark(log: &mut Log) -> Json<usize> {
    let number = OF_REQUESTS + u32::try_from(log.entries.len()).expect("a short log");
    append(log, number).await;
    Json(log.entries.len())
}

#[http_handler(log)]
async fn entries(log: &Log) -> Json<Vec<u32>> {
    Json(log.entries.clone())
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("push", push);
    socket.on("last", last);
    say_ready(&socket);
}

fn app(backend: impl Backend) -> App {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let routes = Router::new().route("/mark", get(mark)).route("/entries", get(entries));
    App::new(routes.layer(sockets).layer(sessions(backend)))
}

/// Sends the events one after the other while requests write to the same state until all are answered. Gives the answers, what
/// was appended by events, and by how many requests.
async fn beside_requests(app: &App, events: &[(&str, Value)]) -> (Vec<Value>, Vec<u64>, usize) {
    let browser = Client::new(app);
    let marks = Cell::new(1);
    browser.get("/mark").await.ok();
    let mut socket = ready_socket(app, &browser.session()).await;
    let requests = join_all((0..LOOPS).map(|_| async {
        loop {
            browser.get("/mark").await.ok();
            marks.set(marks.get() + 1);
        }
    }));
    // Not so fast that no request arrives in between; but no answer is waited for.
    let events = async {
        let mut numbers = Vec::new();
        for (event, value) in events {
            numbers.push(socket.ask_later("/", event, std::slice::from_ref(value)).await);
            if numbers.len() % 4 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        let mut answers = Vec::new();
        for number in numbers {
            answers.push(socket.answer("/", number).await);
        }
        answers
    };
    let answers = tokio::select! {
        answers = events => answers,
        _ = requests => unreachable!("they go on and on"),
    };
    let entries = browser.get("/entries").await.json();
    let entries: Vec<_> = entries.as_array().expect("a log").iter().filter_map(Value::as_u64).collect();
    let (of_events, of_requests): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|number| *number < u64::from(OF_REQUESTS));
    // The last requests may have been broken off.
    let marks = marks.get();
    assert!((marks..=marks + LOOPS).contains(&of_requests.len()), "{marks} requests: {of_requests:?}");
    (answers, of_events, of_requests.len())
}

async fn events_are_appended_in_order(backend: impl Backend) {
    let app = app(backend);
    let events: Vec<_> = (0..EVENTS).map(|number| ("push", json!(number))).collect();
    let (answers, appended, marks) = beside_requests(&app, &events).await;
    println!("{EVENTS} events beside {marks} requests");
    assert!(marks > LOOPS, "requests were served meanwhile: {marks}");
    assert_eq!(appended, (0..u64::from(EVENTS)).collect::<Vec<_>>());
    // Each is told a longer log than the one before it.
    assert!(answers.is_sorted_by_key(Value::as_u64), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    events_are_appended_in_order(MemoryBackend::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_store() {
    events_are_appended_in_order(StoreBackend::new(TestStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_the_writes_before_it_and_none_after() {
    let app = app(MemoryBackend::default());
    let write_and_read = |number| [("push", json!(number)), ("last", Value::Null)];
    let events: Vec<_> = (0..EVENTS / 2).flat_map(write_and_read).collect();
    let (answers, _, _) = beside_requests(&app, &events).await;
    let read: Vec<_> = answers.into_iter().skip(1).step_by(2).collect();
    assert_eq!(read, (0..EVENTS / 2).map(|number| json!(number)).collect::<Vec<_>>());
}
