//! Events of one socket take effect in the order in which they were sent, whoever else writes, and a read sees the
//! writes before it.
//!
//! Clauses: 3, 6.

use std::{cell::Cell, time::Duration};

use axum::{Json, Router, routing::get};
use futures_util::future::join_all;
use serde_json::{Value, json};
use socketioxide::extract::Data;
use socketioxide_session::{
    Backend, EventRouter, MemoryBackend, SessionLayer, StoreBackend, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    fixture::shop::{self, Cart},
    raw::RawSocket,
    soak::short_or_long,
    stores::TestStore,
};
use tokio::{task::yield_now, time::sleep};

/// As many events as are sent in one go.
const EVENTS: u64 = 1000;

/// So many requests are under way at any time.
const LOOPS: usize = 4;

/// What the requests append is above every event's number.
const OF_REQUESTS: u64 = 1_000_000;

/// Waits differently often, so that handlers that ran side by side would overtake each other.
async fn append(cart: &mut Cart, item: u64) {
    let mut items = std::mem::take(&mut cart.items);
    for _ in 0..item % 3 {
        yield_now().await;
    }
    items.push(item);
    cart.items = items;
}

#[socket_handler(cart)]
async fn append_one(cart: &mut Cart, Data(item): Data<u64>) -> usize {
    append(cart, item).await;
    cart.items.len()
}

/// The last number of an event.
#[socket_handler(cart)]
async fn last(cart: &Cart) -> Option<u64> {
    cart.items.iter().rfind(|item| **item < OF_REQUESTS).copied()
}

#[http_handler(cart)]
async fn mark(cart: &mut Cart) -> Json<usize> {
    let item = OF_REQUESTS + cart.items.len() as u64;
    append(cart, item).await;
    Json(cart.items.len())
}

fn connected() -> EventRouter {
    EventRouter::new().on("append", append_one).on("last", last)
}

fn app(backend: impl Backend) -> App {
    let routes = Router::new().route("/mark", get(mark));
    shop::open_with(sessions(backend), routes, |io| io.ns("/", connected())).0
}

/// Sends the events one after the other while requests write to the same state until all are answered. Gives the answers, what
/// was appended by events, and by how many requests.
async fn beside_requests(app: &App, events: &[(&str, Value)]) -> (Vec<Value>, Vec<u64>, usize) {
    let browser = Client::new(app);
    let marks = Cell::new(1);
    browser.get("/mark").await.ok();
    let mut socket = Socket::connect(app, Some(&browser.session())).await;
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
    let items = browser.get("/items").await.json();
    let items: Vec<_> = items.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    let (of_events, of_requests): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| *item < OF_REQUESTS);
    // The last requests may have been broken off.
    let marks = marks.get();
    assert!((marks..=marks + LOOPS).contains(&of_requests.len()), "{marks} requests: {of_requests:?}");
    (answers, of_events, of_requests.len())
}

async fn events_are_appended_in_order(backend: impl Backend) {
    let app = app(backend);
    let events: Vec<_> = (0..EVENTS).map(|number| ("append", json!(number))).collect();
    let (answers, appended, marks) = beside_requests(&app, &events).await;
    println!("{EVENTS} events beside {marks} requests");
    assert!(marks > LOOPS, "requests were served meanwhile: {marks}");
    assert_eq!(appended, (0..EVENTS).collect::<Vec<_>>());
    // Each is told a longer list than the one before it.
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
    let write_and_read = |number| [("append", json!(number)), ("last", Value::Null)];
    let events: Vec<_> = (0..EVENTS / 2).flat_map(write_and_read).collect();
    let (answers, _, _) = beside_requests(&app, &events).await;
    let read: Vec<_> = answers.into_iter().skip(1).step_by(2).collect();
    assert_eq!(read, (0..EVENTS / 2).map(|number| json!(number)).collect::<Vec<_>>());
}

/// Also the first write of a session that the handshake began, and also where the socket's buffer has no room.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_come_in_the_order_in_which_the_events_took_effect() {
    let store = TestStore::default();
    let backends: [Box<dyn Fn() -> SessionLayer>; 2] = [
        Box::new(|| sessions(MemoryBackend::default())),
        Box::new(move || sessions(StoreBackend::new(store.clone()))),
    ];
    for layer in backends {
        let (app, _) = shop::open(layer());
        for _ in 0..short_or_long(100, 20_000) {
            let mut socket = RawSocket::connect(&app, None).await;
            let mut sent = Vec::new();
            for _ in 0..10 {
                sent.push(socket.ask_later("/", "visit", &[]).await);
            }
            assert_eq!(socket.next_answers(sent.len()).await, sent);
        }
    }
}
