//! Told only what is saved.
//!
//! Clauses: 6.

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    Backend, StoreBackend, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    raw::{Packet, RawSocket},
    stores::{ForgetfulBackend, Step, TestStore},
};

#[session_state]
struct User {
    visits: u32,
}

#[session_state]
struct Cart {
    items: u32,
}

#[http_handler(user, cart)]
async fn both(user: &mut User, cart: &mut Cart) -> Json<u32> {
    user.visits += 1;
    cart.items += 1;
    Json(cart.items)
}

#[http_handler(user, cart)]
async fn read(user: &User, cart: &Cart) -> Json<[u32; 2]> {
    Json([user.visits, cart.items])
}

#[socket_handler(user, cart)]
async fn socket_both(user: &mut User, cart: &mut Cart) -> u32 {
    user.visits += 1;
    cart.items += 1;
    cart.items
}

#[socket_handler]
async fn echo() -> &'static str {
    "echo"
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("both", socket_both);
    socket.on("echo", echo);
}

async fn app(backend: impl Backend) -> App {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let routes = Router::new().route("/both", get(both)).route("/read", get(read));
    App::serve(routes.layer(sockets).layer(sessions(backend))).await
}

async fn app_with_store() -> (App, TestStore) {
    let store = TestStore::default();
    (app(StoreBackend::new(store.clone())).await, store)
}

#[tokio::test]
async fn the_response_leaves_after_the_commit() {
    let (app, store) = app_with_store().await;
    let browser = Browser::new(&app);
    browser.get("/both").await.ok();
    let cookie = browser.session();
    let writing = store.hold(Step::Write);
    let answer = browser.get("/both");
    tokio::pin!(answer);
    assert!(futures_util::poll!(&mut answer).is_pending());
    writing.reached().await;
    // Another client is served meanwhile; this one is not.
    http::get(&app, "/read", None).await.ok();
    assert!(futures_util::poll!(&mut answer).is_pending());
    assert_eq!(store.stored(&cookie, "user")["visits"], 1);
    writing.open_for_all();
    assert_eq!(answer.await.json(), 2);
    assert_eq!(store.stored(&cookie, "user")["visits"], 2);
}

#[tokio::test]
async fn the_acknowledgement_leaves_after_the_commit() {
    let (app, store) = app_with_store().await;
    let browser = Browser::new(&app);
    browser.get("/both").await.ok();
    let cookie = browser.session();
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    let writing = store.hold(Step::Write);
    let number = socket.ask_later("/", "both", &[]).await;
    writing.reached().await;
    // What needs no commit is answered meanwhile, on the same socket; the first event is not.
    assert_eq!(socket.ask("echo", &[]).await, "echo");
    let early = socket.unasked().any(|packet| matches!(packet, Packet::Ack { id, .. } if *id == number));
    assert!(!early, "an acknowledgement of what is not saved");
    writing.open_for_all();
    assert_eq!(socket.answer("/", number).await, 2);
    assert_eq!(store.stored(&cookie, "user")["visits"], 2);
}

#[tokio::test]
async fn a_failed_commit_is_a_503_and_nothing_is_half_written() {
    let (app, store) = app_with_store().await;
    let browser = Browser::new(&app);
    browser.get("/both").await.ok();
    store.break_down(Step::Write);
    let answer = browser.get("/both").await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.body.contains("as the test wants"), "a store's own text is nobody's business");
    store.recover();
    assert_eq!(browser.get("/read").await.json(), json!([1, 1]));
    assert_eq!(browser.get("/both").await.json(), 2);
}

#[tokio::test]
async fn a_failed_commit_is_an_error_acknowledgement_and_nothing_is_half_written() {
    let (app, store) = app_with_store().await;
    let browser = Browser::new(&app);
    browser.get("/both").await.ok();
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    store.break_down(Step::Write);
    let answer = socket.ask("both", &[]).await;
    assert_eq!(answer["code"], "backend");
    assert!(!answer.to_string().contains("as the test wants"), "a store's own text is nobody's business");
    socket.emit("both", &[]).await;
    assert_eq!(socket.event("session_error").await[0]["code"], "backend");
    store.recover();
    assert_eq!(socket.ask("both", &[]).await, 2);
    assert_eq!(browser.get("/read").await.json(), json!([2, 2]));
}

#[tokio::test]
async fn official_clients_are_told_of_a_failed_commit() {
    let (app, store) = app_with_store().await;
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        assert_eq!(socket.ask("both", &[]).await, 1);
        store.break_down(Step::Write);
        assert_eq!(socket.ask("both", &[]).await["code"], "backend");
        store.recover();
        assert_eq!(socket.ask("both", &[]).await, 2);
    }
}

#[tokio::test]
async fn a_failed_load_is_an_error() {
    let (app, store) = app_with_store().await;
    let browser = Browser::new(&app);
    browser.get("/both").await.ok();
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    store.break_down(Step::Load);
    assert_eq!(browser.get("/both").await.status, 503);
    assert_eq!(browser.get("/read").await.status, 503);
    assert_eq!(socket.ask("both", &[]).await["code"], "backend");
    store.recover();
    assert_eq!(browser.get("/read").await.json(), json!([1, 1]));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_says_so() {
    let backend = ForgetfulBackend::default();
    let app = app(backend.clone()).await;
    let browser = Browser::new(&app);
    browser.get("/both").await.ok();
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    backend.lose_answers(true);
    assert_eq!(browser.get("/both").await.status, 500);
    let answer = socket.ask("both", &[]).await;
    assert_eq!(answer["code"], "outcome_unknown");
    assert_ne!(answer["error"], Value::Null);
    backend.lose_answers(false);
    assert_eq!(browser.get("/read").await.json(), json!([3, 3]));
}
