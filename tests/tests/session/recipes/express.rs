//! What `express-socket.io-session` does, and what happens here instead: the rows of the table in
//! `runtime/docs/coming-from-express.md`, a test each, by the names that the table gives.
//!
//! Clauses: 1, 2, 3, 5, 6, 10, 11, 12.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};
use socketioxide_session::{
    Error, Expiry, MemoryBackend, SessionControl, SessionLayer, connect_handler, http_handler, session_state,
    socket_handler,
    testing::{TestApp, TestClient, TestSocket, Transport},
    time,
};

#[session_state]
struct User {
    name: Option<String>,
    visits: u64,
}

#[http_handler(user)]
async fn name(user: &mut User, Json(name): Json<String>) {
    user.name = Some(name);
}

#[http_handler(user)]
async fn show(user: &User) -> Json<Value> {
    Json(json!([user.name, user.visits]))
}

/// `req.session.regenerate(cb)`
#[http_handler]
async fn regenerate(control: SessionControl) -> Result<(), Error> {
    control.cycle_id()
}

/// `req.session.destroy(cb)`
#[http_handler]
async fn destroy(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

#[http_handler]
async fn key(control: SessionControl) -> String {
    control.key().to_string()
}

#[socket_handler(user)]
async fn who(user: &User) -> Option<String> {
    user.name.clone()
}

#[socket_handler(user)]
async fn rename(user: &mut User, Data(name): Data<String>) {
    user.name = Some(name);
}

/// `delete session.name`
#[socket_handler(user)]
async fn forget(user: &mut User) {
    user.name = None;
}

/// Reads, waits, writes: where handlers of Node.js lose changes.
#[socket_handler(user)]
async fn visit(user: &mut User) -> u64 {
    let visits = user.visits;
    tokio::time::sleep(Duration::from_millis(5)).await;
    user.visits = visits + 1;
    user.visits
}

#[socket_handler(user)]
async fn fail(user: &mut User) -> Result<(), &'static str> {
    user.name = Some("Nobody".to_owned());
    Err("as the test wants")
}

#[socket_handler]
async fn room(control: SessionControl) -> String {
    control.key().to_string()
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    socket.emit("handshake", &user.name).ok();
}

fn application() -> TestApp {
    let (sockets, io) = SocketIo::new_layer();
    for namespace in ["/", "/other"] {
        let events = connected.on("who", who).on("rename", rename).on("visit", visit);
        io.ns(namespace, events.on("forget", forget).on("fail", fail).on("room", room));
    }
    let sessions = SessionLayer::new(MemoryBackend::default());
    let app = Router::new()
        .route("/", get(show))
        .route("/name", post(name))
        .route("/regenerate", post(regenerate))
        .route("/destroy", post(destroy))
        .route("/key", get(key))
        .layer(sockets)
        .layer(sessions.with_expiry(Expiry::OnInactivity(time::Duration::minutes(30))));
    TestApp::new(app)
}

/// A browser whose session knows Ada, and its socket.
async fn ada() -> (TestClient, TestSocket) {
    let app = application();
    let ada = app.seed(|user: &mut User| user.name = Some("Ada".to_owned())).await;
    let socket = ada.connect("/").await.expect("a connection");
    (ada, socket)
}

#[tokio::test(start_paused = true)]
async fn the_connect_handler_has_the_session() {
    let (_ada, socket) = ada().await;
    assert_eq!(socket.event("handshake").await.data::<String>(), "Ada");
}

#[tokio::test(start_paused = true)]
async fn an_event_sees_what_a_request_saved_since() {
    let (ada, socket) = ada().await;
    ada.post_json("/name", &"Grace").await;
    assert_eq!(socket.emit_with_ack("who", &()).await, "Grace");
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_change_is_saved() {
    let (ada, socket) = ada().await;
    socket.emit_with_ack("rename", "Grace").await;
    assert_eq!(ada.get("/").await.json::<Value>(), json!(["Grace", 0]));
}

#[tokio::test(start_paused = true)]
async fn a_change_after_a_wait_is_saved() {
    let (ada, socket) = ada().await;
    assert_eq!(socket.emit_with_ack("visit", &()).await, 1);
    assert_eq!(ada.get("/").await.json::<Value>(), json!(["Ada", 1]));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_is_gone_everywhere() {
    let (ada, socket) = ada().await;
    socket.emit_with_ack("forget", &()).await;
    assert_eq!(ada.get("/").await.json::<Value>(), json!([null, 0]));
}

#[tokio::test(start_paused = true)]
async fn events_at_once_lose_nothing() {
    let (ada, one) = ada().await;
    let other = ada.connect("/").await.expect("a connection");
    for _ in 0..10 {
        one.emit("visit", &()).await;
        other.emit("visit", &()).await;
    }
    one.emit_with_ack("visit", &()).await;
    other.emit_with_ack("visit", &()).await;
    assert_eq!(ada.get("/").await.json::<Value>(), json!(["Ada", 22]));
}

#[tokio::test(start_paused = true)]
async fn all_sockets_have_one_session() {
    let (ada, one) = ada().await;
    let other = ada.connect("/").await.expect("a connection");
    one.emit_with_ack("rename", "Grace").await;
    assert_eq!(other.emit_with_ack("who", &()).await, "Grace");
}

#[tokio::test(start_paused = true)]
async fn every_namespace_has_the_session() {
    let (ada, _socket) = ada().await;
    let other = ada.connect("/other").await.expect("a connection");
    assert_eq!(other.emit_with_ack("who", &()).await, "Ada");
}

#[tokio::test(start_paused = true)]
async fn what_fails_saves_nothing() {
    let (_ada, socket) = ada().await;
    assert_eq!(socket.emit_with_ack("fail", &()).await, json!({ "error": "as the test wants" }));
    assert_eq!(socket.emit_with_ack("who", &()).await, "Ada");
}

#[tokio::test(start_paused = true)]
async fn destroying_it_disconnects_its_sockets() {
    let (ada, socket) = ada().await;
    ada.post_json("/destroy", &()).await;
    assert_eq!(socket.event("session_ended").await.data::<Value>()["reason"], "logout");
    socket.disconnected().await;
    let again = ada.connect("/").await.expect("a connection");
    assert_eq!(again.emit_with_ack("who", &()).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn regenerating_it_keeps_the_session_and_moves_its_sockets() {
    let (ada, socket) = ada().await;
    let before = ada.cookies();
    ada.post_json("/regenerate", &()).await;
    assert_ne!(ada.cookies(), before);
    socket.disconnected().await;
    let again = ada.connect("/").await.expect("a connection");
    assert_eq!(again.emit_with_ack("who", &()).await, "Ada");
    let stranger = ada.another(before.as_deref()).connect("/").await.expect_err("the old id is dead");
    assert!(stranger.to_string().contains("id"), "{stranger}");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_comes_first_brings_the_cookie() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let visitor = application().client();
        let socket = visitor.connect("/").over(transport).await.expect("a connection");
        socket.emit_with_ack("rename", "Ada").await;
        assert_eq!(visitor.get("/").await.json::<Value>(), json!(["Ada", 0]));
    }
}

#[tokio::test(start_paused = true)]
async fn reading_creates_nothing() {
    let visitor = application().client();
    assert_eq!(visitor.get("/").await.json::<Value>(), json!([null, 0]));
    assert_eq!(visitor.cookies(), None);
}

#[tokio::test(start_paused = true)]
async fn events_keep_it_alive() {
    let (ada, socket) = ada().await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_mins(20)).await;
        assert_eq!(socket.emit_with_ack("who", &()).await, "Ada");
    }
    assert_eq!(ada.get("/").await.json::<Value>(), json!(["Ada", 0]));
}

#[tokio::test(start_paused = true)]
async fn an_expired_one_does_not_come_back() {
    let (ada, socket) = ada().await;
    tokio::time::sleep(Duration::from_mins(40)).await;
    assert_eq!(socket.event("session_ended").await.data::<Value>()["reason"], "expired");
    socket.disconnected().await;
    assert_eq!(ada.get("/").await.json::<Value>(), json!([null, 0]));
}

#[tokio::test(start_paused = true)]
async fn rooms_are_named_without_the_id() {
    let (ada, socket) = ada().await;
    let key = ada.get("/key").await.text().to_owned();
    assert_eq!(socket.emit_with_ack("room", &()).await, key);
    assert!(ada.cookies().is_some_and(|cookies| !cookies.contains(&key)));
    ada.post_json("/regenerate", &()).await;
    assert_eq!(ada.get("/key").await.text(), key, "it stays at a new id");
}

/// Each row has its test, and each test its row.
#[test]
fn the_table_is_true() {
    let page = include_str!("../../../../runtime/docs/coming-from-express.md");
    let (_, table) = page.split_once("<!-- rows -->").expect("the table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|')).skip(2);
    let named: BTreeSet<_> = rows.filter_map(|row| row.rsplit('`').nth(1)).collect();
    let tests = include_str!("express.rs").split("#[tokio::test(start_paused = true)]\nasync fn ").skip(1);
    let tests: BTreeSet<_> = tests.filter_map(|test| test.split("()").next()).collect();
    assert_eq!(named, tests);
}
