//! No update is lost: increments of one session by four sockets and HTTP, each with a wait in its middle.
//!
//! Clauses: 3, 7.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract, routing::get};
use futures_util::future::join_all;
use serde_json::{Value, json};
use socketioxide_session::{
    Backend, EventRouter, MemoryBackend, Session, StoreBackend, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    fixture::shop::{self, Counter},
    soak::short_or_long,
};
use tokio::time::sleep;
use tower_sessions::MemoryStore;
use tower_sessions_sqlx_store::{
    SqliteStore,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

const SOCKETS: u32 = 4;
const LOOPS: u32 = 4;

/// How often each loop of requests counts. A socket counts four times as often.
fn of_a_loop() -> u32 {
    short_or_long(40, 100)
}

/// How many keys plain `Session`s write.
fn notes() -> u32 {
    LOOPS * of_a_loop()
}

async fn add_slowly(counter: &mut Counter) -> u64 {
    let before = counter.count;
    sleep(Duration::from_millis(2)).await;
    counter.count = before + 1;
    counter.count
}

#[http_handler(counter)]
async fn slow_add(counter: &mut Counter) -> Json<u64> {
    Json(add_slowly(counter).await)
}

#[socket_handler(counter)]
async fn socket_slow_add(counter: &mut Counter) -> u64 {
    add_slowly(counter).await
}

/// Loads everything, waits, and writes one key: with the counter as it was in its copy.
async fn note(session: Session, extract::Path(number): extract::Path<u32>) {
    session.get_value("counter").await.expect("a session that loads");
    sleep(Duration::from_millis(2)).await;
    session.insert(&format!("note {number}"), number).await.expect("a session that takes values");
}

async fn noted(session: Session) -> Json<Vec<u32>> {
    let mut found = Vec::new();
    for number in 0..notes() {
        found.extend(session.get::<u32>(&format!("note {number}")).await.expect("a session that loads"));
    }
    Json(found)
}

fn connected() -> EventRouter {
    EventRouter::new().on("slow add", socket_slow_add)
}

fn app(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/slow-add", get(slow_add))
        .route("/note/{number}", get(note))
        .route("/notes", get(noted));
    // Who comes last waits for all others, on a slow machine too.
    let layer = sessions(backend).with_turn_timeout(Duration::from_mins(2));
    shop::open_with(layer, routes, |io| io.ns("/", connected())).0
}

/// All increments, and so many plain `Session`s that write a key each at the same time.
async fn nothing_is_lost(name: &str, backend: impl Backend, plain: u32) {
    let all = (4 * SOCKETS + LOOPS) * of_a_loop();
    let app = app(backend);
    let browser = Client::new(&app);
    browser.get("/note/0").await.ok();
    let began = Instant::now();
    let sockets = (0..SOCKETS).map(|_| async {
        let mut socket = Socket::connect(&app, Some(&browser.session())).await;
        socket.ask_all(&vec![("slow add", Value::Null); 4 * of_a_loop() as usize]).await
    });
    let requests = (0..LOOPS).map(|_| async {
        let mut answers = Vec::new();
        for _ in 0..of_a_loop() {
            answers.push(browser.get("/slow-add").await.json());
        }
        answers
    });
    let writing_notes = (0..LOOPS).map(|first| {
        let browser = &browser;
        async move {
            for number in (first..plain).step_by(LOOPS as usize) {
                browser.get(&format!("/note/{number}")).await.ok();
            }
        }
    });
    let (sockets, requests, _) = tokio::join!(join_all(sockets), join_all(requests), join_all(writing_notes));
    let took = began.elapsed();
    println!("{name}: {all} increments in {took:.1?}, {:.0} a second", f64::from(all) / took.as_secs_f64());

    assert_eq!(browser.get("/count").await.json(), all);
    // Each increment was told another number.
    let mut told: Vec<_> =
        sockets.into_iter().chain(requests).flatten().map(|answer| answer.as_u64()).collect();
    told.sort_unstable();
    assert_eq!(told, (1..=u64::from(all)).map(Some).collect::<Vec<_>>());
    // Each key is there.
    assert_eq!(browser.get("/notes").await.json(), json!((0..plain.max(1)).collect::<Vec<_>>()));
}

/// A database in a file of this target's own folder, removed at the end.
struct Database(PathBuf);

impl Database {
    fn new(name: &str) -> Self {
        let database = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sqlite")));
        database.remove();
        database
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(format!("{}{suffix}", self.0.display())).ok();
        }
    }

    async fn backend(&self) -> StoreBackend<SqliteStore> {
        let options = SqliteConnectOptions::new()
            .filename(&self.0)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let pool = SqlitePoolOptions::new().connect_with(options).await.expect("a database");
        let store = SqliteStore::new(pool);
        store.migrate().await.expect("a table");
        StoreBackend::new(store)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.remove();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    nothing_is_lost("memory", MemoryBackend::default(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_beside_plain_sessions() {
    nothing_is_lost("memory, plain sessions", MemoryBackend::default(), notes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_memory_store() {
    nothing_is_lost("memory store", StoreBackend::new(MemoryStore::default()), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_memory_store_beside_plain_sessions() {
    let backend = StoreBackend::new(MemoryStore::default());
    nothing_is_lost("memory store, plain sessions", backend, notes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sqlite() {
    let database = Database::new("increments");
    nothing_is_lost("SQLite", database.backend().await, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sqlite_beside_plain_sessions() {
    let database = Database::new("increments-and-notes");
    nothing_is_lost("SQLite, plain sessions", database.backend().await, notes()).await;
}
