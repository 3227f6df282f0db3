//! A turn is short: waiting for it is limited, holding it is limited, and what would wait for itself is an error at once.
//! A reader waits for the writers before it and holds up no one.
//!
//! Clauses: 3, 4.

use std::time::Duration;

use serde_json::json;
use socketioxide_session::{MemoryBackend, SessionLayer};
use socketioxide_session_tests::{
    app::sessions,
    client::{self, Client, Socket},
    fixture::shop::{self, HELD},
    node::{Connect, OfficialClients, Transport},
};

fn memory() -> SessionLayer {
    sessions(MemoryBackend::default())
}

#[tokio::test]
async fn an_official_clients_events_take_effect_in_the_order_in_which_they_arrive() {
    let (app, _) = shop::open(memory());
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
    let (app, gate) = shop::open(memory());
    let mut socket = Socket::connect(&app, None).await;
    socket.ask_later("/", "held", &[]).await;
    gate.reached().await;
    let written = socket.ask_later("/", "push", &[json!(1)]).await;
    let read = socket.ask_later("/", "items", &[]).await;
    gate.open();
    assert_eq!(socket.answer("/", read).await, json!([HELD, 1]));
    assert_eq!(socket.answer("/", written).await, 2);
}

#[tokio::test]
async fn a_slow_reader_holds_up_no_one() {
    let (app, gate) = shop::open(memory());
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let reading = browser.get("/read-held");
    let meanwhile = async {
        gate.reached().await;
        let mut socket = Socket::connect(&app, Some(&browser.session())).await;
        assert_eq!(socket.ask("push", &[json!(1)]).await, 1);
        gate.open();
    };
    let (answer, ()) = tokio::join!(reading, meanwhile);
    assert_eq!(answer.json(), 0, "a snapshot");
}

#[tokio::test]
async fn waiting_is_limited_in_time() {
    let (app, gate) = shop::open(memory().with_turn_timeout(Duration::from_millis(100)));
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    socket.ask_later("/", "held", &[]).await;
    gate.reached().await;
    let answer = browser.get("/held").await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(socket.ask("push", &[json!(1)]).await["code"], "turn_timeout");
    gate.open();
    assert_eq!(socket.ask("items", &[]).await, json!([HELD]));
}

#[tokio::test]
async fn waiting_is_limited_in_number() {
    let (app, gate) = shop::open(memory().with_max_waiters(2));
    let mut socket = Socket::connect(&app, None).await;
    socket.ask_later("/", "held", &[]).await;
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
    assert_eq!(socket.ask("items", &[]).await, json!([HELD, 0, 1]));
}

#[tokio::test]
async fn holding_is_limited_and_the_late_commit_is_refused() {
    let (app, gate) = shop::open(memory().with_turn_limit(Duration::from_millis(100)));
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    let holding = client::get(&app, "/held", Some(&cookie));
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
    let (app, _) = shop::open(memory());
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let answer = browser.get("/nested").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("name the state in the attribute"), "{}", answer.body);
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    let answer = socket.ask("nested", &[]).await;
    assert_eq!(answer["code"], "nested_turn");
    assert_eq!(browser.get("/read").await.json(), json!([1, 0]));
}
