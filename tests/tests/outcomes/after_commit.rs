//! What a handler gives to `after_commit` begins when its commit is in, in the order of the commits, and not at all where
//! nothing was saved.
//!
//! Clauses: 6.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::json;
use socketioxide::extract::State as OfSocket;
use socketioxide_session::{
    Backend, Error, ErrorKind, EventRouter, MemoryBackend, RedisBackend, SessionControl, Shared,
    StoreBackend, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket, begin},
    fixture::{shop::Counter, site::until},
    redis_server::RedisServer,
    stores::{Step, TestStore},
};

/// What has come to pass, in its order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Notes that the commit is in.
    fn note_after(&self, control: &SessionControl) -> Result<(), Error> {
        let log = self.clone();
        control.after_commit(async move { log.push("after") })
    }
}

#[http_handler(counter)]
async fn add(State(log): State<Log>, control: SessionControl, counter: &mut Counter) -> Result<(), Error> {
    log.note_after(&control)?;
    counter.count += 1;
    log.push("add");
    Ok(())
}

#[http_handler(counter)]
async fn add_and_fail(
    State(log): State<Log>,
    control: SessionControl,
    counter: &mut Counter,
) -> Result<(), StatusCode> {
    log.note_after(&control).expect("as the test has it");
    counter.count += 1;
    Err(StatusCode::BAD_REQUEST)
}

#[http_handler(counter)]
async fn keep_and_fail(
    State(log): State<Log>,
    control: SessionControl,
    counter: &mut Counter,
) -> Result<(), StatusCode> {
    log.note_after(&control).and(control.keep_changes()).expect("as the test has it");
    counter.count += 1;
    Err(StatusCode::BAD_REQUEST)
}

#[http_handler(counter)]
async fn add_and_panic(State(log): State<Log>, control: SessionControl, counter: &mut Counter) {
    log.note_after(&control).expect("as the test has it");
    counter.count += 1;
    panic!("as the test wants");
}

#[http_handler(counter)]
async fn look(State(log): State<Log>, control: SessionControl, counter: &Counter) -> Result<String, Error> {
    log.note_after(&control)?;
    Ok(counter.count.to_string())
}

#[http_handler]
async fn logout(State(log): State<Log>, control: SessionControl) -> Result<(), Error> {
    control.after_commit(async move { log.push("after logout") })?;
    control.flush()
}

/// Without an attribute: its commit is the request's.
async fn plain(State(log): State<Log>, control: SessionControl) -> Result<(), Error> {
    let after = log.clone();
    control.after_commit(async move { after.push("after plain") })?;
    log.push("plain");
    Ok(())
}

async fn plain_and_fail(State(log): State<Log>, control: SessionControl) -> impl IntoResponse {
    control.after_commit(async move { log.push("after plain") }).expect("as the test has it");
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Its future panics, and the next one waits for a turn.
#[http_handler(counter)]
async fn several(
    State(log): State<Log>,
    control: SessionControl,
    shared: Shared<Counter>,
    counter: &mut Counter,
) -> Result<(), Error> {
    control.after_commit(async { panic!("as the test wants") })?;
    control.after_commit(async move {
        let updated = shared.update(|counter| counter.count += 10).await;
        log.push(format!("updated {:?}", updated.map_err(|error| error.kind())));
    })?;
    counter.count += 1;
    Ok(())
}

async fn kept(State(log): State<Log>, control: SessionControl) {
    tokio::spawn(async move {
        // Until the response is out.
        until("a request that has ended", || control.after_commit(async {}).is_err()).await;
        let refused = control.after_commit(async {}).map_err(|error| error.kind());
        log.push(format!("kept {:?}", refused == Err(ErrorKind::Unavailable)));
    });
}

#[socket_handler(counter)]
async fn count(
    OfSocket(log): OfSocket<Log>,
    control: SessionControl,
    counter: &mut Counter,
) -> Result<u64, Error> {
    counter.count += 1;
    let count = counter.count;
    control.after_commit(async move { log.push(count.to_string()) })?;
    Ok(count)
}

fn app(backend: impl Backend, log: &Log) -> App {
    let routes = Router::new()
        .route("/add", get(add))
        .route("/add_and_fail", get(add_and_fail))
        .route("/keep_and_fail", get(keep_and_fail))
        .route("/add_and_panic", get(add_and_panic))
        .route("/look", get(look))
        .route("/logout", get(logout))
        .route("/plain", get(plain))
        .route("/plain_and_fail", get(plain_and_fail))
        .route("/several", get(several))
        .route("/kept", get(kept));
    App::new(
        with_sockets(routes, log.clone(), |io| io.ns("/", EventRouter::new().on("count", count)))
            .layer(sessions(backend)),
    )
}

/// GETs it; then nothing of it is left to come, if a request that is answered later has had its future begun.
async fn what_comes_of(client: &Client, log: &Log, path: &str) -> (u16, Vec<String>) {
    log.take();
    let status = client.get(path).await.status;
    let had = log.len();
    client.get("/add").await;
    until("the next one's future", || log.len() >= had + 2).await;
    let mut came = log.take();
    let next = came.split_off(came.len() - 2);
    assert_eq!(next[0], "add");
    (status, came)
}

async fn begins_with_what_is_saved(backend: impl Backend) {
    let log = Log::default();
    let client = Client::new(&app(backend, &log));
    client.get("/add").await;
    until("the first future", || log.len() == 2).await;
    assert_eq!(log.take(), ["add", "after"]);
    for (path, status, expected) in [
        ("/add_and_fail", 400, vec![]),
        ("/add_and_panic", 500, vec![]),
        ("/plain_and_fail", 500, vec![]),
        ("/keep_and_fail", 400, vec!["after"]),
        ("/look", 200, vec!["after"]),
        ("/plain", 200, vec!["plain", "after plain"]),
    ] {
        let came = what_comes_of(&client, &log, path).await;
        assert_eq!(came, (status, expected.into_iter().map(str::to_owned).collect()), "{path}");
    }
    client.get("/logout").await;
    until("that of a logout", || log.len() == 1).await;
    assert_eq!(log.take(), ["after logout"]);
}

#[tokio::test]
async fn in_memory_it_begins_with_what_is_saved() {
    begins_with_what_is_saved(MemoryBackend::default()).await;
}

#[tokio::test]
async fn on_a_store_it_begins_with_what_is_saved() {
    begins_with_what_is_saved(StoreBackend::new(TestStore::default())).await;
}

#[tokio::test]
async fn where_the_commit_fails_or_may_have_failed_it_does_not_begin() {
    let (store, log) = (TestStore::default(), Log::default());
    let client = Client::new(&app(StoreBackend::new(store.clone()), &log));
    client.get("/add").await;
    for trouble in [TestStore::fail_once, TestStore::lose_answer_once] {
        until("the futures before", || log.len() == 2).await;
        log.take();
        trouble(&store, Step::Write);
        assert!(client.get("/add").await.status >= 500);
        client.get("/add").await;
        until("the next one's future", || log.len() == 3).await;
        let came = log.take();
        assert_eq!(came[..2], ["add", "add"]);
        log.push("");
        log.push("");
    }
}

#[tokio::test]
async fn a_client_that_leaves_changes_nothing() {
    let (store, log) = (TestStore::default(), Log::default());
    let app = app(StoreBackend::new(store.clone()), &log);
    let client = Client::new(&app);
    client.get("/add").await;
    until("the first future", || log.len() == 2).await;
    let gate = store.hold(Step::Write);
    let request = begin(&app, "/add", client.cookie().as_deref());
    gate.reached().await;
    drop(request);
    gate.open_for_all();
    until("the future of a client that left", || log.len() == 4).await;
    assert_eq!(log.take()[2..], ["add", "after"]);
}

#[tokio::test]
async fn a_panic_is_its_own_and_an_update_waits_for_its_turn() {
    let log = Log::default();
    let client = Client::new(&app(MemoryBackend::default(), &log));
    assert_eq!(client.get("/several").await.status, 200);
    until("the update", || log.len() == 1).await;
    assert_eq!(log.take(), ["updated Ok(())"]);
    assert_eq!(client.get("/look").await.body, "11");
}

#[tokio::test]
async fn past_its_request_nothing_is_taken() {
    let log = Log::default();
    let client = Client::new(&app(MemoryBackend::default(), &log));
    client.get("/kept").await;
    until("the refusal", || log.len() == 1).await;
    assert_eq!(log.take(), ["kept true"]);
}

/// Many events at once.
async fn in_the_order_of_commits(backend: impl Backend) {
    const EVENTS: usize = 200;
    let log = Log::default();
    let app = app(backend, &log);
    let mut socket = Socket::connect(&app, None).await;
    let events = vec![("count", json!(null)); EVENTS];
    socket.ask_all(&events).await;
    until("all futures", || log.len() == EVENTS).await;
    let expected: Vec<_> = (1..=EVENTS).map(|count| count.to_string()).collect();
    assert_eq!(log.take(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn in_memory_they_begin_in_the_order_of_commits() {
    in_the_order_of_commits(MemoryBackend::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn on_a_store_they_begin_in_the_order_of_commits() {
    in_the_order_of_commits(StoreBackend::new(TestStore::default())).await;
}

#[tokio::test]
async fn on_redis_it_begins_with_what_is_saved() {
    let server = RedisServer::start().await;
    begins_with_what_is_saved(RedisBackend::connect(server.url()).await.expect("a backend")).await;
}

/// There many commits travel together.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn on_redis_they_begin_in_the_order_of_commits() {
    let server = RedisServer::start().await;
    in_the_order_of_commits(RedisBackend::connect(server.url()).await.expect("a backend")).await;
}
