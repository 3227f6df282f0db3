//! What a client is told, value by value.
//!
//! Clauses: 6.

use axum::Router;
use serde::Serialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Data};
use socketioxide_session::{Error, EventRouter, MemoryBackend, SessionControl, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Socket,
    fixture::shop::{self, Cart},
    node::{Connect, OfficialClients, Transport},
};

#[derive(Serialize)]
struct Receipt {
    total: u32,
}

#[derive(Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
enum Refusal {
    SoldOut { left: u32 },
}

type Answer<T, E = Refusal> = std::result::Result<T, E>;

#[socket_handler(cart)]
async fn value(cart: &mut Cart) -> Receipt {
    cart.items.push(0);
    Receipt { total: 12 }
}

#[socket_handler]
async fn unit() {}

#[socket_handler]
async fn none() -> Option<u32> {
    None
}

#[socket_handler]
async fn ok_value() -> Answer<Receipt> {
    Ok(Receipt { total: 13 })
}

#[socket_handler]
async fn ok_unit() -> Answer<(), &'static str> {
    Ok(())
}

#[socket_handler(cart)]
async fn err(cart: &mut Cart) -> Answer<Receipt> {
    cart.items.push(1);
    Err(Refusal::SoldOut { left: 0 })
}

#[socket_handler]
async fn own_error(control: SessionControl) -> Result<(), Error> {
    control.cycle_id()
}

#[socket_handler(cart)]
async fn push_and_panic(cart: &mut Cart) {
    cart.items.push(2);
    panic!("as the test wants");
}

#[socket_handler(cart)]
async fn with_sender(cart: &mut Cart, ack: AckSender, Data(n): Data<u64>) {
    cart.items.push(n);
    ack.send(&json!({ "sent": n })).expect("room for an acknowledgement");
}

#[socket_handler(cart)]
async fn with_sender_and_result(
    cart: &mut Cart,
    ack: AckSender,
    Data(n): Data<u64>,
) -> Result<(), &'static str> {
    cart.items.push(n);
    if n > 100 {
        return Err("too many");
    }
    ack.send(&json!({ "sent": n })).expect("room for an acknowledgement");
    Ok(())
}

fn connected() -> EventRouter {
    shop::events()
        .on("value", value)
        .on("unit", unit)
        .on("none", none)
        .on("ok value", ok_value)
        .on("ok unit", ok_unit)
        .on("err", err)
        .on("own error", own_error)
        .on("push and panic", push_and_panic)
        .on("with sender", with_sender)
        .on("with sender and result", with_sender_and_result)
}

fn app() -> App {
    shop::open_with(sessions(MemoryBackend::default()), Router::new(), |io| io.ns("/", connected())).0
}

#[tokio::test]
async fn each_kind_of_return_has_its_acknowledgement() {
    let app = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        assert_eq!(socket.ask("value", &[]).await, json!({ "total": 12 }));
        assert_eq!(socket.ask("unit", &[]).await, Value::Null);
        assert_eq!(socket.ask("none", &[]).await, Value::Null);
        assert_eq!(socket.ask("ok value", &[]).await, json!({ "total": 13 }));
        assert_eq!(socket.ask("ok unit", &[]).await, Value::Null);
        let refusal = json!({ "error": { "reason": "sold_out", "left": 0 } });
        assert_eq!(socket.ask("err", &[]).await, refusal);
        let own = socket.ask("own error", &[]).await;
        assert_eq!(own["code"], "unavailable");
        assert!(own["error"].as_str().is_some_and(|text| text.contains("cycle_id")), "{own}");
        assert_eq!(socket.ask("push and panic", &[]).await["code"], "panicked");
        assert_eq!(socket.ask("items", &[]).await, json!([0]));
    }
}

#[tokio::test]
async fn a_failure_without_an_acknowledgement_is_a_session_error_event() {
    let app = app();
    let socket = Socket::connect(&app, None).await;
    socket.emit("err", &[]).await;
    let told = socket.event("session_error").await;
    assert_eq!(told[0]["error"], json!({ "reason": "sold_out", "left": 0 }));
    socket.emit("own error", &[]).await;
    assert_eq!(socket.event("session_error").await[0]["code"], "unavailable");
    socket.emit("push and panic", &[]).await;
    assert_eq!(socket.event("session_error").await[0]["code"], "panicked");
}

#[tokio::test]
async fn a_success_without_an_acknowledgement_says_nothing() {
    let app = app();
    let mut socket = Socket::connect(&app, None).await;
    socket.emit("push", &[json!(1)]).await;
    assert_eq!(socket.ask("items", &[]).await, json!([1]));
    assert_eq!(socket.unasked().len(), 0);
}

#[tokio::test]
async fn a_handler_with_its_own_sender_answers_once() {
    let app = app();
    let mut socket = Socket::connect(&app, None).await;
    for event in ["with sender", "with sender and result"] {
        assert_eq!(socket.ask(event, &[json!(7)]).await, json!({ "sent": 7 }));
    }
    assert_eq!(socket.ask("items", &[]).await, json!([7, 7]));
    assert_eq!(socket.unasked(), []);
}

#[tokio::test]
async fn a_handler_with_its_own_sender_that_fails_is_reported() {
    let app = app();
    let mut socket = Socket::connect(&app, None).await;
    assert_eq!(socket.ask("with sender and result", &[json!(101)]).await, json!({ "error": "too many" }));
    assert_eq!(socket.ask("items", &[]).await, json!([]));
}

#[tokio::test]
async fn every_event_of_a_flood_is_answered() {
    let app = app();
    let mut socket = Socket::connect(&app, None).await;
    let events: Vec<_> = (0..1000).map(|n| ("push", json!(n))).collect();
    let expected: Vec<_> = (1..=1000).map(|n| json!(n)).collect();
    assert_eq!(socket.ask_all(&events).await, expected);
    let in_order: Vec<_> = (0..1000).collect();
    assert_eq!(socket.ask("items", &[]).await, json!(in_order));
}

#[tokio::test]
async fn every_event_of_an_official_clients_flood_is_answered() {
    let app = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        let values: Vec<_> = (0..300).map(|n| [json!(n)]).collect();
        let events: Vec<_> = values.iter().map(|values| ("push", &values[..])).collect();
        let expected: Vec<_> = (1..=300).map(|n| json!(n)).collect();
        assert_eq!(socket.ask_all(&events).await, expected);
    }
}
