//! What keeps a session alive, and what does not.
//!
//! Clauses: 11.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    Expiry, SessionLayer, StoreBackend, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    http::Browser,
    raw::RawSocket,
    stores::TestStore,
};

const INACTIVITY: time::Duration = time::Duration::hours(10);

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

#[socket_handler(user)]
async fn socket_visits(user: &User) -> u32 {
    user.visits
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("visits", socket_visits);
}

/// An application, a browser with a session, and a socket of it.
async fn visitor(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> (App, TestStore, Browser, RawSocket) {
    let store = TestStore::default();
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let routes = Router::new().route("/visit", get(visit)).route("/visits", get(visits));
    let layer =
        layer(sessions(StoreBackend::new(store.clone())).with_expiry(Expiry::OnInactivity(INACTIVITY)));
    let app = App::serve(routes.layer(sockets).layer(layer)).await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let socket = RawSocket::connect(&app, Some(&browser.session())).await;
    (app, store, browser, socket)
}

/// As if nothing had happened for a while.
const LEFT: time::Duration = time::Duration::hours(2);

#[tokio::test]
async fn events_and_requests_count_as_activity() {
    let (_app, store, browser, mut socket) = visitor(|layer| layer).await;
    let cookie = browser.session();
    store.expire_in(&cookie, LEFT);
    assert_eq!(socket.ask("visits", &[]).await, 1);
    assert!(store.lives(&cookie) > INACTIVITY - time::Duration::minutes(1));
    store.expire_in(&cookie, LEFT);
    browser.get("/visits").await.ok();
    assert!(store.lives(&cookie) > INACTIVITY - time::Duration::minutes(1));
}

#[tokio::test]
async fn activity_is_written_at_most_once_per_touch_interval() {
    let (_app, store, _browser, mut socket) = visitor(|layer| layer).await;
    let writes = store.writes();
    for _ in 0..10 {
        socket.ask("visits", &[]).await;
    }
    assert_eq!(store.writes(), writes);

    let eager = |layer: SessionLayer| layer.with_touch_interval(Duration::ZERO);
    let (_app, store, _browser, mut socket) = visitor(eager).await;
    let writes = store.writes();
    for _ in 0..10 {
        socket.ask("visits", &[]).await;
    }
    assert!(store.writes() >= writes + 10);
}

#[tokio::test]
async fn no_activity_outlasts_the_absolute_timeout() {
    let limit = Duration::from_hours(1);
    let (_app, store, browser, mut socket) = visitor(|layer| layer.with_absolute_timeout(limit)).await;
    let cookie = browser.session();
    assert!(store.lives(&cookie) <= limit);
    store.expire_in(&cookie, time::Duration::minutes(10));
    socket.ask("visits", &[]).await;
    assert!(store.lives(&cookie) <= limit);
}

#[tokio::test]
async fn the_sockets_of_an_expired_session_are_told_and_disconnected() {
    let (_app, store, browser, mut socket) = visitor(|layer| layer).await;
    store.expire(&browser.session());
    assert_eq!(socket.ask("visits", &[]).await["code"], "session_ended");
    socket.disconnected("/").await;
}
