//! All or nothing on sockets, whatever way a handler ends.
//!
//! Clauses: 5.

use axum::Router;
use serde_json::{Value, json};
use socketioxide_session::{
    Backend, EventRouter, MemoryBackend, SessionControl, StoreBackend, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    fixture::shop::{self, Counter, HELD},
    gate::Gate,
    soon,
    stores::{Step, TestStore},
};

/// What a socket adds at its end.
const FAREWELL: u64 = 1000;

type Answered<T> = Result<T, &'static str>;

#[socket_handler(counter)]
async fn add_after_await(counter: &mut Counter) -> u64 {
    let before = counter.count;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    counter.count = before + 1;
    tokio::task::yield_now().await;
    counter.count
}

#[socket_handler(counter)]
async fn fail_and_keep(counter: &mut Counter, control: SessionControl) -> Answered<()> {
    counter.count += 1;
    control.keep_changes().map_err(|_| "no control")?;
    Err("refused, and counted")
}

#[socket_handler(counter)]
async fn flush_and_fail(counter: &mut Counter, control: SessionControl) -> Answered<()> {
    counter.count += 1;
    control.flush().map_err(|_| "no control")?;
    Err("refused, and ended")
}

#[socket_handler]
async fn flush_and_panic(control: SessionControl) {
    control.flush().expect("a session to end");
    panic!("as the test wants");
}

#[socket_handler(counter)]
async fn farewell(counter: &mut Counter) {
    counter.count += FAREWELL;
}

fn connected() -> EventRouter {
    shop::events()
        .on("add after await", add_after_await)
        .on("fail and keep", fail_and_keep)
        .on("flush and fail", flush_and_fail)
        .on("flush and panic", flush_and_panic)
        .on_disconnect(farewell)
}

fn app(backend: impl Backend) -> (App, Gate) {
    shop::open_with(sessions(backend), Router::new(), |io| io.ns("/", connected()))
}

/// A browser whose counter is at 1, and a socket of its session.
async fn visitor(app: &App) -> (Client, Socket) {
    let browser = Client::new(app);
    browser.get("/add").await.ok();
    let socket = Socket::connect(app, Some(&browser.session())).await;
    (browser, socket)
}

/// The acknowledgement of `event`, and what the counter, which was at 1, is at afterwards.
async fn outcome(event: &str) -> (Value, Value) {
    let (app, _) = app(MemoryBackend::default());
    let (browser, mut socket) = visitor(&app).await;
    let answer = socket.ask(event, &[]).await;
    let after = browser.get("/count").await.json();
    // The turn has ended: the next one goes on.
    assert_eq!(socket.ask("add", &[]).await, after.as_u64().expect("a number") + 1);
    (answer, after)
}

#[tokio::test]
async fn a_normal_return_commits() {
    assert_eq!(outcome("add").await, (json!(2), json!(2)));
}

#[tokio::test]
async fn changes_after_an_await_are_saved() {
    assert_eq!(outcome("add after await").await, (json!(2), json!(2)));
}

#[tokio::test]
async fn an_err_behind_an_alias_discards() {
    assert_eq!(outcome("fail").await, (json!({ "error": "refused" }), json!(1)));
}

#[tokio::test]
async fn an_err_with_keep_changes_commits() {
    assert_eq!(outcome("fail and keep").await, (json!({ "error": "refused, and counted" }), json!(2)));
}

#[tokio::test]
async fn a_panic_discards_and_is_an_error() {
    let (answer, after) = outcome("panic").await;
    assert_eq!((&answer["code"], after), (&json!("panicked"), json!(1)));
    assert!(
        !answer.to_string().contains("as the test wants"),
        "a panic's text is nobody's business: {answer}"
    );
}

#[tokio::test]
async fn nothing_changed_nothing_written() {
    let store = TestStore::default();
    let (app, _) = app(StoreBackend::new(store.clone()));
    let (_, mut socket) = visitor(&app).await;
    let writes = store.writes();
    assert_eq!(socket.ask("there and back", &[]).await, Value::Null);
    assert_eq!(store.writes(), writes);
}

/// A client that is gone holds up no one: neither while its handler runs nor while it waits.
#[tokio::test]
async fn those_who_come_after_a_vanished_client_go_on() {
    let (app, gate) = app(MemoryBackend::default());
    let (browser, mut socket) = visitor(&app).await;
    socket.ask_later("/", "hold", &[]).await;
    gate.reached().await;
    socket.vanish();
    gate.open();
    // The handler of the vanished client ends, its farewell has its turn, and this one comes after both.
    let done = async {
        loop {
            let count = browser.get("/add").await.json().as_u64().expect("a number");
            if count > HELD + FAREWELL {
                return;
            }
        }
    };
    soon("the farewell", done).await;
}

#[tokio::test]
async fn a_disconnect_handler_commits() {
    let (app, _) = app(MemoryBackend::default());
    let (browser, socket) = visitor(&app).await;
    socket.leave().await;
    let counted = async {
        while browser.get("/count").await.json() != json!(1 + FAREWELL) {
            tokio::task::yield_now().await;
        }
    };
    soon("the farewell", counted).await;
}

#[tokio::test]
async fn flush_is_carried_out_though_the_handler_fails() {
    let store = TestStore::default();
    let (app, _) = app(StoreBackend::new(store.clone()));
    let (browser, mut socket) = visitor(&app).await;
    assert_eq!(socket.ask("flush and fail", &[]).await, json!({ "error": "refused, and ended" }));
    socket.disconnected("/").await;
    assert!(!store.has(&browser.session()));
}

#[tokio::test]
async fn flush_is_carried_out_though_the_handler_panics() {
    let store = TestStore::default();
    let (app, _) = app(StoreBackend::new(store.clone()));
    let (browser, mut socket) = visitor(&app).await;
    assert_eq!(socket.ask("flush and panic", &[]).await["code"], "panicked");
    socket.disconnected("/").await;
    assert!(!store.has(&browser.session()));
}

#[tokio::test]
async fn a_commit_once_begun_runs_to_its_end_though_the_client_leaves() {
    let store = TestStore::default();
    let (app, _) = app(StoreBackend::new(store.clone()));
    let (browser, mut socket) = visitor(&app).await;
    let writing = store.hold(Step::Write);
    socket.ask_later("/", "add", &[]).await;
    writing.reached().await;
    socket.vanish();
    writing.open_for_all();
    // The next writer comes after the commit.
    let count = browser.get("/add").await.json();
    assert!([json!(3), json!(3 + FAREWELL)].contains(&count), "with or without the farewell: {count}");
}
