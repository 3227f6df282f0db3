//! Whatever becomes of a call, its lease ends, and ends once.
//!
//! Clauses: 5, 14.

use axum::{Json, Router, extract::State as HttpState, http::StatusCode, routing::get};
use serde_json::json;
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    Error, SessionControl, SessionLayer, Shared, connect_handler, connect_middleware, http_handler,
    session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    gate::Gate,
    leases::{Fault, LeaseBackend},
    records::{SECOND, milliseconds},
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
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

#[http_handler(user, cart)]
async fn unchanged(user: &mut User, cart: &mut Cart) {
    let _ = (user, cart);
}

#[http_handler(user)]
async fn fails(user: &mut User) -> Result<(), StatusCode> {
    user.visits += 1;
    Err(StatusCode::CONFLICT)
}

#[http_handler(user)]
async fn panics(user: &mut User) {
    user.visits += 1;
    panic!("on purpose");
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.visits += 1;
    control.cycle_id()
}

#[http_handler(user)]
async fn logout(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.visits += 1;
    control.flush()
}

#[http_handler(user)]
async fn held(user: &mut User, HttpState(gate): HttpState<Gate>) {
    user.visits += 1;
    gate.pass().await;
}

async fn shared(user: Shared<User>) -> Result<Json<u32>, Error> {
    user.update(|user| {
        user.visits += 1;
        user.visits
    })
    .await
    .map(Json)
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[socket_handler(user)]
async fn socket_fails(user: &mut User) -> Result<(), &'static str> {
    user.visits += 1;
    Err("no")
}

#[connect_middleware(user)]
async fn enters(user: &mut User) -> Result<(), &'static str> {
    user.visits += 1;
    if user.visits == 13 { Err("not today") } else { Ok(()) }
}

#[connect_handler(user)]
async fn connected(user: &mut User, socket: SocketRef) {
    user.visits += 1;
    socket.on("visit", socket_visit);
    socket.on("fails", socket_fails);
}

fn app_with(backend: &LeaseBackend, layer: impl FnOnce(SessionLayer) -> SessionLayer) -> (App, Gate) {
    let gate = Gate::default();
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", socketioxide::handler::ConnectHandler::with(connected, enters));
    let routes = Router::new()
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/unchanged", get(unchanged))
        .route("/fails", get(fails))
        .route("/panics", get(panics))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/held", get(held))
        .route("/shared", get(shared))
        .with_state(gate.clone());
    (App::new(routes.layer(sockets).layer(layer(sessions(backend.clone())))), gate)
}

#[tokio::test]
async fn every_outcome_in_http_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, _) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let mut granted = backend.granted();
    for path in ["/visit", "/unchanged", "/fails", "/panics", "/shared"] {
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
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    socket.ask("visit", &[]).await;
    socket.ask("fails", &[]).await;
    backend.all_ended().await;
    assert_eq!(backend.granted(), 4);
    for _ in 0..8 {
        socket.ask("visit", &[]).await;
    }
    let refused = Socket::open(&app, Some(&cookie)).await.unwrap();
    assert_eq!(refused.join("/").await, Err("not today".to_owned()));
    backend.all_ended().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, gate) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let request = client::begin(&app, "/held", Some(&cookie));
    gate.reached().await;
    drop(request);
    backend.all_ended().await;
    assert_eq!(client::get(&app, "/visits", Some(&cookie)).await.json(), json!(1));
}

#[tokio::test]
async fn every_fault_has_its_answer_and_ends_the_lease() {
    let backend = LeaseBackend::default();
    let (app, _) = app_with(&backend, |layer| layer);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    let before = client::get(&app, "/visits", Some(&cookie)).await.json();
    for (fault, status, code) in [
        (Fault::TurnTimeout, 503, "turn_timeout"),
        (Fault::TurnLost, 503, "turn_lost"),
        (Fault::NotJson, 500, "undecodable"),
        (Fault::Failed, 503, "backend"),
        (Fault::OutcomeUnknown, 500, "outcome_unknown"),
    ] {
        backend.fail_next_commit(fault);
        assert_eq!(client::get(&app, "/visit", Some(&cookie)).await.status, status, "{fault:?}");
        backend.all_ended().await;
        backend.fail_next_commit(fault);
        assert_eq!(socket.ask("visit", &[]).await["code"], json!(code), "{fault:?}");
        backend.all_ended().await;
        backend.fail_next_load(fault);
        assert_eq!(client::get(&app, "/visit", Some(&cookie)).await.status, status, "{fault:?}");
        backend.fail_next_load(fault);
        assert_eq!(socket.ask("visit", &[]).await["code"], json!(code), "{fault:?}");
        backend.all_ended().await;
    }
    assert_eq!(client::get(&app, "/visits", Some(&cookie)).await.json(), before);
    client::get(&app, "/visit", Some(&cookie)).await.ok();
}

/// The turn limit is for holding; waiting for other processes has its own.
#[tokio::test]
async fn waiting_for_another_process_is_not_holding() {
    let backend = LeaseBackend::default();
    let limits =
        |layer: SessionLayer| layer.with_turn_limit(milliseconds(200)).with_turn_timeout(milliseconds(1000));
    let (app, _) = app_with(&backend, limits);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    backend.busy(milliseconds(350));
    let (first, second) = tokio::join!(
        client::get(&app, "/visit", Some(&cookie)),
        client::get(&app, "/unchanged", Some(&cookie))
    );
    first.ok();
    second.ok();
    backend.busy(SECOND * 2);
    let late = client::get(&app, "/visit", Some(&cookie)).await;
    assert_eq!(late.status, 503, "{}", late.body);
    backend.all_ended().await;
}
