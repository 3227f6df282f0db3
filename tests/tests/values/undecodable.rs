//! Nothing undecodable is overwritten.
//!
//! Clauses: 8.

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use socketioxide::extract::SocketRef;
use socketioxide_session::{
    Error, EventRouter, Shared, StoreBackend, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    fixture::shop,
    stores::TestStore,
};

/// A state of its own, with another one inside of it: what does not decode stands deep in it.
#[session_state(key = "shopper")]
struct User {
    name: Option<String>,
    address: Address,
}

#[session_state]
struct Address {
    street: String,
}

#[http_handler(user)]
async fn read(user: &User) -> Json<Option<String>> {
    Json(user.name.clone())
}

#[http_handler(user)]
async fn read_maybe(user: Option<&User>) -> Json<bool> {
    Json(user.is_some())
}

#[http_handler(user)]
async fn write(user: &mut User) {
    user.address.street = "Downing Street".into();
}

async fn shared(user: Shared<User>) -> Result<(), Error> {
    user.update(|user| user.name = None).await
}

#[socket_handler(user)]
async fn socket_write(user: &mut User) {
    user.name = None;
}

fn connected() -> EventRouter {
    shop::events().on("write", socket_write)
}

#[connect_handler(user)]
async fn greet(user: &User, socket: SocketRef) {
    socket.emit("welcome", &user.name).expect("a connected socket");
}

/// A browser whose session holds `stored` where `User` should be.
async fn spoiled(stored: Value) -> (App, Client, TestStore) {
    let store = TestStore::default();
    let routes = Router::new()
        .route("/read-shopper", get(read))
        .route("/read-maybe", get(read_maybe))
        .route("/write", get(write))
        .route("/shared", get(shared));
    let (app, _) = shop::open_with(sessions(StoreBackend::new(store.clone())), routes, |io| {
        io.ns("/", connected());
        io.ns("/greet", greet);
    });
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    store.put(&browser.session(), "shopper", stored);
    (app, browser, store)
}

fn wrong_street() -> Value {
    json!({ "name": "Ada", "address": { "street": 10 } })
}

#[tokio::test]
async fn in_http_the_error_names_state_and_field_and_the_value_stays() {
    let (_app, browser, store) = spoiled(wrong_street()).await;
    for path in ["/read-shopper", "/read-maybe", "/write", "/shared"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        for name in ["User", "address.street"] {
            assert!(answer.body.contains(name), "{path} names {name}: {}", answer.body);
        }
    }
    assert_eq!(store.stored(&browser.session(), "shopper"), wrong_street());
}

#[tokio::test]
async fn on_a_socket_the_error_names_state_and_field_and_the_value_stays() {
    let (app, browser, store) = spoiled(wrong_street()).await;
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    let answer = socket.ask("write", &[]).await;
    assert_eq!(answer["code"], "undecodable");
    let text = answer["error"].as_str().expect("a text");
    assert!(text.contains("User") && text.contains("address.street"), "{text}");
    assert_eq!(store.stored(&browser.session(), "shopper"), wrong_street());
}

#[tokio::test]
async fn at_connect_it_is_a_connect_error_that_names_the_state() {
    let (app, browser, _store) = spoiled(wrong_street()).await;
    let socket = Socket::open(&app, Some(&browser.session())).await.expect("a handshake");
    let message = socket.join("/greet").await.expect_err("a connect_error");
    assert!(message.contains("User"), "{message}");
}

#[tokio::test]
async fn other_states_of_the_session_work() {
    let (app, browser, store) = spoiled(json!("not even an object")).await;
    assert_eq!(browser.get("/add").await.json(), 2);
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("add", &[]).await, 3);
    assert_eq!(socket.ask("write", &[]).await["code"], "undecodable");
    assert_eq!(store.stored(&browser.session(), "shopper"), "not even an object");
}
