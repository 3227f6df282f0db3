//! Told only what is saved.
//!
//! Clauses: 6.

use serde_json::{Value, json};
use socketioxide_session::{StoreBackend, testing::Packet};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client, Socket},
    fixture::shop,
    node::{Connect, OfficialClients, Transport},
    stores::{ForgetfulBackend, Step, TestStore},
};

fn app_with_store() -> (App, TestStore) {
    let store = TestStore::default();
    let (app, _) = shop::open(sessions(StoreBackend::new(store.clone())));
    (app, store)
}

#[tokio::test]
async fn the_response_leaves_after_the_commit() {
    let (app, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/both").await.ok();
    let cookie = browser.session();
    let writing = store.hold(Step::Write);
    let answer = browser.get("/both");
    tokio::pin!(answer);
    assert!(futures_util::poll!(&mut answer).is_pending());
    writing.reached().await;
    // Another client is served meanwhile; this one is not.
    client::get(&app, "/read", None).await.ok();
    assert!(futures_util::poll!(&mut answer).is_pending());
    assert_eq!(store.stored(&cookie, "user")["visits"], 1);
    writing.open_for_all();
    assert_eq!(answer.await.json(), 2);
    assert_eq!(store.stored(&cookie, "user")["visits"], 2);
}

#[tokio::test]
async fn the_acknowledgement_leaves_after_the_commit() {
    let (app, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/both").await.ok();
    let cookie = browser.session();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    let writing = store.hold(Step::Write);
    let number = socket.ask_later("/", "both", &[]).await;
    writing.reached().await;
    // What needs no commit is answered meanwhile, on the same socket; the first event is not.
    assert_eq!(socket.ask("echo", &[]).await, "echo");
    let early =
        socket.unasked().iter().any(|packet| matches!(packet, Packet::Ack { id, .. } if *id == number));
    assert!(!early, "an acknowledgement of what is not saved");
    writing.open_for_all();
    assert_eq!(socket.answer("/", number).await, 2);
    assert_eq!(store.stored(&cookie, "user")["visits"], 2);
}

#[tokio::test]
async fn a_failed_commit_is_an_error_and_nothing_is_half_written() {
    let (app, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/both").await.ok();
    store.break_down(Step::Write);
    let answer = browser.get("/both").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.headers.contains_key("retry-after"), "the store may have written");
    assert!(!answer.body.contains("as the test wants"), "a store's own text is nobody's business");
    store.recover();
    assert_eq!(browser.get("/read").await.json(), json!([1, 1]));
    assert_eq!(browser.get("/both").await.json(), 2);
}

#[tokio::test]
async fn a_failed_commit_is_an_error_acknowledgement_and_nothing_is_half_written() {
    let (app, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/both").await.ok();
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    store.break_down(Step::Write);
    let answer = socket.ask("both", &[]).await;
    assert_eq!(answer["code"], "outcome_unknown");
    assert!(!answer.to_string().contains("as the test wants"), "a store's own text is nobody's business");
    socket.emit("both", &[]).await;
    assert_eq!(socket.event("session_error").await[0]["code"], "outcome_unknown");
    store.recover();
    assert_eq!(socket.ask("both", &[]).await, 2);
    assert_eq!(browser.get("/read").await.json(), json!([2, 2]));
}

#[tokio::test]
async fn official_clients_are_told_of_a_failed_commit() {
    let (app, store) = app_with_store();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        assert_eq!(socket.ask("both", &[]).await, 1);
        store.break_down(Step::Write);
        assert_eq!(socket.ask("both", &[]).await["code"], "outcome_unknown");
        store.recover();
        assert_eq!(socket.ask("both", &[]).await, 2);
    }
}

#[tokio::test]
async fn a_failed_load_is_an_error() {
    let (app, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/both").await.ok();
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
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
    let (app, _) = shop::open(sessions(backend.clone()));
    let browser = Client::new(&app);
    browser.get("/both").await.ok();
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    backend.lose_answers(true);
    assert_eq!(browser.get("/both").await.status, 500);
    let answer = socket.ask("both", &[]).await;
    assert_eq!(answer["code"], "outcome_unknown");
    assert_ne!(answer["error"], Value::Null);
    backend.lose_answers(false);
    assert_eq!(browser.get("/read").await.json(), json!([3, 3]));
}
