//! Whatever becomes of a call, its lease ends, and ends once.
//!
//! Clauses: 5, 14.

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide::{extract::SocketRef, handler::ConnectHandler};
use socketioxide_session::{SessionLayer, connect_handler, connect_middleware, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::shop::{self, Cart, Counter},
    gate::Gate,
    leases::{Fault, LeaseBackend},
    records::{SECOND, milliseconds},
};

#[http_handler(counter, cart)]
async fn unchanged(counter: &mut Counter, cart: &mut Cart) {
    let _ = (counter, cart);
}

#[connect_middleware(counter)]
async fn enters(counter: &mut Counter) -> Result<(), &'static str> {
    counter.count += 1;
    if counter.count == 13 { Err("not today") } else { Ok(()) }
}

#[connect_handler(counter)]
async fn connected(counter: &mut Counter, socket: SocketRef) {
    counter.count += 1;
    shop::listen(&socket);
}

fn app_with(backend: &LeaseBackend, layer: impl FnOnce(SessionLayer) -> SessionLayer) -> (App, Gate) {
    let routes = Router::new().route("/unchanged", get(unchanged));
    shop::open_with(layer(sessions(backend.clone())), routes, |io| {
        io.ns("/", ConnectHandler::with(connected, enters));
    })
}

#[tokio::test]
async fn every_outcome_in_http_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, _) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    let mut granted = backend.granted();
    for path in ["/add", "/unchanged", "/fail", "/panic", "/shared-add"] {
        client::get(&app, path, Some(&cookie)).await;
        backend.all_ended().await;
        assert_eq!(backend.granted(), granted + 1, "{path}");
        granted += 1;
    }
    let cookie = client::get(&app, "/login", Some(&cookie)).await.new_cookie();
    client::get(&app, "/logout", Some(&cookie)).await.ok();
    backend.all_ended().await;
    assert_eq!(backend.granted(), granted + 2);
}

#[tokio::test]
async fn every_outcome_on_sockets_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, _) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    socket.ask("add", &[]).await;
    socket.ask("fail", &[]).await;
    backend.all_ended().await;
    assert_eq!(backend.granted(), 4);
    for _ in 0..8 {
        socket.ask("add", &[]).await;
    }
    let refused = Socket::open(&app, Some(&cookie)).await.unwrap();
    assert_eq!(refused.join("/").await, Err("not today".to_owned()));
    backend.all_ended().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, gate) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    let request = client::begin(&app, "/hold", Some(&cookie));
    gate.reached().await;
    drop(request);
    backend.all_ended().await;
    assert_eq!(client::get(&app, "/count", Some(&cookie)).await.json(), json!(1));
}

#[tokio::test]
async fn every_fault_has_its_answer_and_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, _) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    let before = client::get(&app, "/count", Some(&cookie)).await.json();
    for (fault, status, code) in [
        (Fault::TurnTimeout, 503, "turn_timeout"),
        (Fault::TurnLost, 503, "turn_lost"),
        (Fault::NotJson, 500, "undecodable"),
        (Fault::Failed, 503, "backend"),
        (Fault::OutcomeUnknown, 500, "outcome_unknown"),
    ] {
        backend.fail_next_commit(fault);
        assert_eq!(client::get(&app, "/add", Some(&cookie)).await.status, status, "{fault:?}");
        backend.all_ended().await;
        backend.fail_next_commit(fault);
        assert_eq!(socket.ask("add", &[]).await["code"], json!(code), "{fault:?}");
        backend.all_ended().await;
        backend.fail_next_load(fault);
        assert_eq!(client::get(&app, "/add", Some(&cookie)).await.status, status, "{fault:?}");
        backend.fail_next_load(fault);
        assert_eq!(socket.ask("add", &[]).await["code"], json!(code), "{fault:?}");
        backend.all_ended().await;
    }
    assert_eq!(client::get(&app, "/count", Some(&cookie)).await.json(), before);
    client::get(&app, "/add", Some(&cookie)).await.ok();
}

/// The turn limit is for holding; waiting for other processes has its own.
#[tokio::test]
async fn waiting_for_another_process_is_not_holding() {
    let backend = LeaseBackend::default();
    let limits =
        |layer: SessionLayer| layer.with_turn_limit(milliseconds(200)).with_turn_timeout(milliseconds(1000));
    let (app, _) = app_with(&backend, limits);
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    backend.busy(milliseconds(350));
    let (first, second) = tokio::join!(
        client::get(&app, "/add", Some(&cookie)),
        client::get(&app, "/unchanged", Some(&cookie))
    );
    first.ok();
    second.ok();
    backend.busy(SECOND * 2);
    let late = client::get(&app, "/add", Some(&cookie)).await;
    assert_eq!(late.status, 503, "{}", late.body);
    backend.all_ended().await;
}
