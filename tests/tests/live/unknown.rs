//! A commit of which nobody knows whether it took place: if it did, it is sent.
//!
//! Clauses: 6, 15.

use std::time::Duration;

use axum::{extract::State, routing::get};
use socketioxide_session::{Backend, RedisBackend, StoreBackend, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    redis_server::RedisServer,
    soon,
    stores::{Step, TestStore},
};

use crate::stage::{Tools, User, next_event, router, routes, sent, visitor};

/// Waits before it is committed.
#[http_handler(user)]
async fn visit_later(user: &mut User, State(tools): State<Tools>) {
    user.visits += 1;
    tools.gate.pass().await;
}

fn app_on(backend: impl Backend, tools: &Tools) -> App {
    let layer = sessions(backend).with_live::<User>().with_backend_timeout(Duration::from_secs(2));
    App::new(router(tools, routes().route("/visit-later", get(visit_later)), layer))
}

/// A visitor, and a tab of theirs that has been sent what there is.
async fn visitor_with_tab(app: &App) -> (Client, Socket) {
    let ada = visitor(app, "ada").await;
    let tab = Socket::connect(app, ada.cookie().as_deref()).await;
    assert_eq!(next_event(&tab).await.1, sent("ada", 0));
    (ada, tab)
}

#[tokio::test]
async fn one_whose_answer_is_lost_is_sent() {
    let store = TestStore::default();
    let app = app_on(StoreBackend::new(store.clone()), &Tools::default());
    let (ada, tab) = visitor_with_tab(&app).await;
    store.lose_answers(Step::Write);
    assert_eq!(ada.get("/visit").await.status, 500);
    assert_eq!(next_event(&tab).await.1, sent("ada", 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_arrives_after_its_caller_was_told_is_sent() {
    let store = TestStore::default();
    let app = app_on(StoreBackend::new(store.clone()), &Tools::default());
    let (ada, tab) = visitor_with_tab(&app).await;
    let gate = store.hold(Step::Write);
    assert_eq!(ada.get("/visit").await.status, 500);
    gate.open();
    assert_eq!(next_event(&tab).await.1, sent("ada", 1));
}

/// Redis stands still while it is asked to write, and does it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_redis_does_later_is_sent_on_the_node_that_asked() {
    let server = RedisServer::start().await;
    let backend =
        RedisBackend::builder(server.url()).with_timeout(Duration::from_millis(500)).connect().await;
    let tools = Tools::default();
    let app = app_on(backend.expect("a backend"), &tools);
    let (ada, tab) = visitor_with_tab(&app).await;
    let visit = tokio::spawn(ada.get("/visit-later"));
    tools.gate.reached().await;
    server.signal("STOP");
    tools.gate.open();
    assert_eq!(soon("an answer", visit).await.expect("an answer").status, 500);
    server.signal("CONT");
    assert_eq!(next_event(&tab).await.1, sent("ada", 1));
}
