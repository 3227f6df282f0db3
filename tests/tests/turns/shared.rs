//! `Shared<T>` holds a turn for its closure only, outlives its request, and ends with the session. On a paused clock:
//! who waits for nobody sees no time pass.
//!
//! Clauses: 2, 4, 10, 11.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::StatusCode,
    routing::get,
};
use serde_json::json;
use socketioxide::extract::State as SocketState;
use socketioxide_session::{Error, EventRouter, Shared, StoreBackend};
use socketioxide_session_tests::{
    app::{sessions, with_sockets},
    client::Client,
    fixture::shop::{self, Counter, HELD},
    gate::Gate,
    soon,
    stores::{Step, TestStore},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// How long a handler with `Shared` waits between its turns. Six times this is less than a client may be silent.
const LONG: Duration = Duration::from_secs(3);

/// What a background task came to: its read, and its update.
type Outcome = (Result<u64, Error>, Result<u64, Error>);

#[derive(Clone, FromRef)]
struct App {
    gate: Gate,
    outcomes: mpsc::UnboundedSender<Outcome>,
}

fn add(rows: u64) -> impl FnOnce(&mut Counter) -> u64 {
    move |counter| {
        counter.count += rows;
        counter.count
    }
}

/// Comes to the gate between its turns, and waits there.
async fn import_slowly(import: &Shared<Counter>, gate: &Gate) -> Result<u64, Error> {
    for _ in 0..3 {
        import.read().await?;
        gate.pass().await;
        sleep(LONG).await;
        import.update(add(100)).await?;
        gate.pass().await;
        sleep(LONG).await;
    }
    Ok(import.read().await?.count)
}

async fn import(import: Shared<Counter>, State(app): State<App>) -> Result<Json<u64>, Error> {
    import_slowly(&import, &app.gate).await.map(Json)
}

/// Answers at once; a task goes on for long.
async fn in_background(import: Shared<Counter>, State(app): State<App>) -> StatusCode {
    tokio::spawn(task(import, app));
    StatusCode::ACCEPTED
}

async fn task(import: Shared<Counter>, app: App) {
    import.read().await.expect("a read at once");
    app.gate.pass().await;
    sleep(LONG).await;
    let read = import.read().await.map(|counter| counter.count);
    let updated = import.update(add(1000)).await;
    app.outcomes.send((read, updated)).expect("a test that listens");
}

/// Polls an update until it comes to the gate, and again when it has passed there twice.
async fn kept(shared: Shared<Counter>, State(app): State<App>) -> Result<Json<u64>, Error> {
    let mut update = std::pin::pin!(shared.update(add(1)));
    tokio::select! {
        biased;
        _ = &mut update => unreachable!("its commit waits for the store"),
        () = app.gate.pass() => {}
    }
    app.gate.pass().await;
    update.await.map(Json)
}

fn events() -> EventRouter {
    let import = async |import: Shared<Counter>, SocketState(app): SocketState<App>| {
        import_slowly(&import, &app.gate).await.expect("turns");
    };
    let in_background = async |import: Shared<Counter>, SocketState(app): SocketState<App>| {
        tokio::spawn(task(import, app));
    };
    shop::events().on("import", import).on("in background", in_background)
}

struct Stage {
    client: Client,
    gate: Gate,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    store: TestStore,
}

fn stage() -> Stage {
    let (store, gate) = (TestStore::default(), Gate::default());
    let (sender, outcomes) = mpsc::unbounded_channel();
    let app = App { gate: gate.clone(), outcomes: sender };
    let routes = Router::new()
        .route("/import", get(import))
        .route("/in-background", get(in_background))
        .route("/kept", get(kept))
        .route("/add", get(shop::http::add))
        .route("/hold", get(shop::http::hold))
        .route("/count", get(shop::http::count))
        .route("/flush", get(shop::http::flush))
        .route("/cycle", get(shop::http::cycle));
    let application = with_sockets(routes, app, |io| io.ns("/", events()));
    let client = Client::of(application.layer(sessions(StoreBackend::new(store.clone()))));
    Stage { client, gate, outcomes, store }
}

/// Others write before, between and after the turns of a slow one, in HTTP or on a socket, and wait for nothing.
async fn others_wait_for_nothing(by_socket: bool) {
    let Stage { client, gate, .. } = stage();
    client.get("/add").await.ok();
    let mut socket = client.socket().await;
    let slow_socket = client.socket().await;
    let slow = if by_socket {
        slow_socket.emit("import", &[]).await;
        None
    } else {
        Some(tokio::spawn(client.get("/import")))
    };
    let mut rows = 1;
    for turn in 0..6 {
        gate.reached().await;
        let began = Instant::now();
        assert_eq!(client.get("/add").await.json(), rows + 1);
        assert_eq!(socket.ask("add", &[]).await, rows + 2);
        assert_eq!(client.get("/count").await.json(), rows + 2);
        assert_eq!(began.elapsed(), Duration::ZERO);
        gate.open();
        rows += if turn % 2 == 0 { 102 } else { 2 };
    }
    if let Some(slow) = slow {
        assert_eq!(slow.await.expect("an answer").json(), rows);
    }
    assert_eq!(client.get("/count").await.json(), rows);
}

#[tokio::test(start_paused = true)]
async fn others_wait_for_nothing_in_http() {
    others_wait_for_nothing(false).await;
}

#[tokio::test(start_paused = true)]
async fn others_wait_for_nothing_on_a_socket() {
    others_wait_for_nothing(true).await;
}

/// The commit of an update is inside of its turn: who comes meanwhile waits for it, and loses nothing.
#[tokio::test(start_paused = true)]
async fn the_next_waits_for_the_commit_of_an_update() {
    let Stage { client, gate, store, mut outcomes } = stage();
    client.get("/add").await.ok();
    client.get("/in-background").await;
    gate.open();
    store.slow(Step::Write, LONG);
    sleep(LONG + Duration::from_secs(1)).await;
    let began = Instant::now();
    assert_eq!(client.get("/add").await.json(), 1002);
    assert!(began.elapsed() >= LONG, "{:?}", began.elapsed());
    let (_, updated) = outcomes.recv().await.expect("an outcome");
    assert_eq!(updated.expect("a turn"), 1001);
}

/// A read comes after the writers before it.
#[tokio::test(start_paused = true)]
async fn a_read_sees_the_writer_before_it() {
    let Stage { client, gate, mut outcomes, .. } = stage();
    client.get("/add").await.ok();
    client.get("/in-background").await;
    gate.reached().await;
    gate.open();
    // The task reads after its long wait: while the writer is at the gate, and gets no answer before it has gone.
    let writer = tokio::spawn(client.get("/hold"));
    gate.reached().await;
    sleep(2 * LONG).await;
    assert!(outcomes.try_recv().is_err());
    gate.open();
    writer.await.expect("an answer").ok();
    let (read, _) = soon("an outcome", outcomes.recv()).await.expect("an outcome");
    assert_eq!(read.expect("a read"), 1 + HELD);
}

async fn a_task_outlives(by_socket: bool) {
    let Stage { client, gate, mut outcomes, store } = stage();
    client.get("/add").await.ok();
    if by_socket {
        let socket = client.socket().await;
        socket.emit("in background", &[]).await;
        gate.reached().await;
        drop(socket);
    } else {
        assert_eq!(client.get("/in-background").await.status, 202);
        gate.reached().await;
    }
    let began = Instant::now();
    assert_eq!(client.get("/add").await.json(), 2);
    assert_eq!(began.elapsed(), Duration::ZERO);
    gate.open();
    let (read, updated) = soon("an outcome", outcomes.recv()).await.expect("an outcome");
    assert_eq!((read.expect("a read"), updated.expect("a turn")), (2, 1002));
    assert_eq!(store.stored(&client.session(), "counter"), json!({ "count": 1002 }));
}

#[tokio::test(start_paused = true)]
async fn a_task_outlives_its_request() {
    a_task_outlives(false).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_outlives_its_socket() {
    a_task_outlives(true).await;
}

/// A task whose session ends, or changes its id, meanwhile is told so; nothing is brought back.
async fn a_task_is_told(path: &str, code: &str) {
    let Stage { client, gate, mut outcomes, store } = stage();
    client.get("/add").await.ok();
    let old = client.session();
    client.get("/in-background").await;
    gate.reached().await;
    client.get(path).await.ok();
    gate.open();
    let (read, updated) = soon("an outcome", outcomes.recv()).await.expect("an outcome");
    assert_eq!(read.expect_err("no session").kind().code(), code);
    assert_eq!(updated.expect_err("no session").kind().code(), code);
    assert!(!store.has(&old));
    if let Some(new) = client.cookie() {
        assert_eq!(store.stored(&new, "counter"), json!({ "count": 1 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_told_of_the_sessions_end() {
    a_task_is_told("/flush", "session_ended").await;
}

#[tokio::test(start_paused = true)]
async fn a_task_is_told_of_a_changed_id() {
    a_task_is_told("/cycle", "id_changed").await;
}

/// Where no session has begun when the response leaves, none can begin: its cookie could not be set.
#[tokio::test(start_paused = true)]
async fn a_task_begins_no_session() {
    let Stage { client, gate, mut outcomes, store } = stage();
    assert_eq!(client.get("/in-background").await.set_cookies(), [""; 0]);
    gate.open();
    let (read, updated) = soon("an outcome", outcomes.recv()).await.expect("an outcome");
    assert_eq!(read.expect("the default"), 0);
    assert_eq!(updated.expect_err("no session").kind().code(), "no_session");
    assert!(store.is_empty());
}

/// An `update` that is kept and not polled any more holds up nobody once its commit is in.
#[tokio::test(start_paused = true)]
async fn a_turn_ends_with_its_commit_though_nobody_polls() {
    let Stage { client, gate, store, .. } = stage();
    client.get("/add").await.ok();
    let writes = store.hold(Step::Write);
    let kept = tokio::spawn(client.get("/kept"));
    writes.reached().await;
    gate.reached().await;
    gate.open();
    gate.reached().await;
    writes.open_for_all();
    let began = Instant::now();
    assert_eq!(client.get("/add").await.json(), 3);
    assert_eq!(began.elapsed(), Duration::ZERO);
    gate.open();
    assert_eq!(kept.await.expect("an answer").json(), 2);
}
