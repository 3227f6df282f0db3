//! Turns are per state, first come, first served, and short by construction.
//!
//! Clauses: 3, 4.

use std::time::Duration;

use axum::{Json, Router, extract::State as HttpState, routing::get};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef, State},
};
use socketioxide_session::{
    Error, MemoryBackend, SessionLayer, Shared, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    gate::Gate,
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    raw::RawSocket,
};

#[session_state]
struct User {
    visits: u32,
}

#[session_state]
struct Cart {
    items: Vec<u32>,
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    let visits = user.visits;
    tokio::task::yield_now().await;
    user.visits = visits + 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

#[http_handler(cart)]
async fn cart_held(cart: &mut Cart, HttpState(gate): HttpState<Gate>) {
    cart.items.push(1000);
    gate.pass().await;
}

#[http_handler(cart)]
async fn cart_read_held(cart: &Cart, HttpState(gate): HttpState<Gate>) -> Json<usize> {
    let _ = cart;
    gate.pass().await;
    Json(cart.items.len())
}

#[http_handler(cart)]
async fn items(cart: &Cart) -> Json<Vec<u32>> {
    Json(cart.items.clone())
}

#[http_handler(user)]
async fn nested(user: &mut User, cart: Shared<Cart>) -> Result<(), Error> {
    user.visits += 1;
    cart.update(|cart| cart.items.push(1)).await
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    let visits = user.visits;
    tokio::task::yield_now().await;
    user.visits = visits + 1;
    user.visits
}

#[socket_handler(cart)]
async fn push(cart: &mut Cart, Data(n): Data<u32>) -> usize {
    tokio::task::yield_now().await;
    cart.items.push(n);
    cart.items.len()
}

#[socket_handler(cart)]
async fn socket_items(cart: &Cart) -> Vec<u32> {
    cart.items.clone()
}

#[socket_handler(cart)]
async fn socket_cart_held(cart: &mut Cart, State(gate): State<Gate>) {
    cart.items.push(1000);
    gate.pass().await;
}

#[socket_handler(user)]
async fn socket_nested(user: &mut User, cart: Shared<Cart>) -> Result<(), Error> {
    user.visits += 1;
    cart.read().await.map(drop)
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("visit", socket_visit);
    socket.on("push", push);
    socket.on("items", socket_items);
    socket.on("cart held", socket_cart_held);
    socket.on("nested", socket_nested);
}

async fn app_with(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> (App, Gate) {
    let gate = Gate::default();
    let (sockets, io) = SocketIo::builder().with_state(gate.clone()).build_layer();
    io.ns("/", connected);
    let routes = Router::new()
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/cart-held", get(cart_held))
        .route("/cart-read-held", get(cart_read_held))
        .route("/items", get(items))
        .route("/nested", get(nested))
        .with_state(gate.clone());
    let layer = layer(sessions(MemoryBackend::default()));
    (App::serve(routes.layer(sockets).layer(layer)).await, gate)
}

async fn app() -> (App, Gate) {
    app_with(|layer| layer).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost() {
    let (app, _) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let requests = (0..100).map(|_| async { browser.get("/visit").await.ok() });
    let sockets = (0..5).map(|_| async {
        let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
        socket.ask_all(&vec![("visit", Value::Null); 40]).await
    });
    tokio::join!(futures_util::future::join_all(requests), futures_util::future::join_all(sockets));
    assert_eq!(browser.get("/visits").await.json(), 1 + 100 + 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_take_effect_in_the_order_in_which_they_arrive() {
    let (app, _) = app().await;
    let mut socket = RawSocket::connect(&app, None).await;
    let events: Vec<_> = (0..100).map(|n| ("push", json!(n))).collect();
    socket.ask_all(&events).await;
    assert_eq!(socket.ask("items", &[]).await, json!((0..100).collect::<Vec<_>>()));
}

#[tokio::test]
async fn an_official_clients_events_take_effect_in_the_order_in_which_they_arrive() {
    let (app, _) = app().await;
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        let values: Vec<_> = (0..50).map(|n| [json!(n)]).collect();
        let events: Vec<_> = values.iter().map(|values| ("push", &values[..])).collect();
        socket.ask_all(&events).await;
        assert_eq!(socket.ask("items", &[]).await, json!((0..50).collect::<Vec<_>>()));
    }
}

#[tokio::test]
async fn a_reader_sees_what_was_written_before_it() {
    let (app, gate) = app().await;
    let mut socket = RawSocket::connect(&app, None).await;
    socket.ask_later("/", "cart held", &[]).await;
    gate.reached().await;
    let written = socket.ask_later("/", "push", &[json!(1)]).await;
    let read = socket.ask_later("/", "items", &[]).await;
    gate.open();
    assert_eq!(socket.answer("/", read).await, json!([1000, 1]));
    assert_eq!(socket.answer("/", written).await, 2);
}

#[tokio::test]
async fn a_slow_writer_holds_up_no_one_of_another_state() {
    let (app, gate) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    socket.ask_later("/", "cart held", &[]).await;
    gate.reached().await;
    assert_eq!(browser.get("/visit").await.json(), 2);
    assert_eq!(socket.ask("visit", &[]).await, 3);
    gate.open();
    assert_eq!(socket.ask("items", &[]).await, json!([1000]));
}

#[tokio::test]
async fn a_slow_reader_holds_up_no_one() {
    let (app, gate) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let reading = browser.get("/cart-read-held");
    let meanwhile = async {
        gate.reached().await;
        let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
        assert_eq!(socket.ask("push", &[json!(1)]).await, 1);
        gate.open();
    };
    let (answer, ()) = tokio::join!(reading, meanwhile);
    assert_eq!(answer.json(), 0, "a snapshot");
}

#[tokio::test]
async fn waiting_is_limited_in_time() {
    let (app, gate) = app_with(|layer| layer.with_turn_timeout(Duration::from_millis(100))).await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    socket.ask_later("/", "cart held", &[]).await;
    gate.reached().await;
    let answer = browser.get("/cart-held").await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(socket.ask("push", &[json!(1)]).await["code"], "turn_timeout");
    gate.open();
    assert_eq!(socket.ask("items", &[]).await, json!([1000]));
}

#[tokio::test]
async fn waiting_is_limited_in_number() {
    let (app, gate) = app_with(|layer| layer.with_max_waiters(2)).await;
    let mut socket = RawSocket::connect(&app, None).await;
    socket.ask_later("/", "cart held", &[]).await;
    gate.reached().await;
    let mut numbers = Vec::new();
    for n in 0..5 {
        numbers.push(socket.ask_later("/", "push", &[json!(n)]).await);
    }
    for number in &numbers[2..] {
        assert_eq!(socket.answer("/", *number).await["code"], "too_many_waiters");
    }
    gate.open();
    assert_eq!(socket.answer("/", numbers[0]).await, 2);
    assert_eq!(socket.answer("/", numbers[1]).await, 3);
    assert_eq!(socket.ask("items", &[]).await, json!([1000, 0, 1]));
}

#[tokio::test]
async fn holding_is_limited_and_the_late_commit_is_refused() {
    let (app, gate) = app_with(|layer| layer.with_turn_limit(Duration::from_millis(100))).await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    let holding = http::get(&app, "/cart-held", Some(&cookie));
    let meanwhile = async {
        gate.reached().await;
        // The turn passes on, although its holder has not come back.
        assert_eq!(socket.ask("push", &[json!(1)]).await, 1);
        gate.open();
    };
    let (answer, ()) = tokio::join!(holding, meanwhile);
    assert_eq!(answer.status, 503);
    assert_eq!(browser.get("/items").await.json(), json!([1]));
}

#[tokio::test]
async fn shared_inside_a_turn_is_an_error_at_once() {
    let (app, _) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let answer = browser.get("/nested").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("name the state in the attribute"), "{}", answer.body);
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    let answer = socket.ask("nested", &[]).await;
    assert_eq!(answer["code"], "nested_turn");
    assert_eq!(browser.get("/visits").await.json(), 1);
}
