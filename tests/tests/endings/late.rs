//! Nothing late brings a session back.
//!
//! Clauses: 11.

use axum::{Json, Router, extract::State as HttpState, routing::get};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{SocketRef, State},
};
use socketioxide_session::{
    Error, Session, SessionControl, StoreBackend, connect_handler, http_handler, session_state,
    socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    gate::Gate,
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    raw::RawSocket,
    stores::TestStore,
};

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

#[http_handler(user)]
async fn held(user: &mut User, HttpState(gate): HttpState<Gate>) {
    user.visits += 1;
    gate.pass().await;
}

async fn plain_held(session: Session, HttpState(gate): HttpState<Gate>) {
    session.get_value("user").await.expect("a session that loads");
    session.insert("plain", 1).await.expect("a session that takes values");
    gate.pass().await;
}

#[http_handler]
async fn flush(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

async fn plain_flush(session: Session) {
    session.flush().await.expect("a session to end");
}

#[socket_handler(user)]
async fn socket_held(user: &mut User, State(gate): State<Gate>) -> u32 {
    user.visits += 1;
    gate.pass().await;
    user.visits
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[socket_handler]
async fn logout(control: SessionControl) -> Result<&'static str, Error> {
    control.flush()?;
    Ok("bye")
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    socket.emit("welcome", &user.visits).expect("a connected socket");
    socket.on("held", socket_held);
    socket.on("visit", socket_visit);
    socket.on("logout", logout);
}

async fn app() -> (App, Gate, TestStore) {
    let (gate, store) = (Gate::default(), TestStore::default());
    let (sockets, io) = SocketIo::builder().with_state(gate.clone()).build_layer();
    io.ns("/", connected);
    io.ns("/shop", connected);
    let routes = Router::new()
        .route("/visits", get(visits))
        .route("/visit", get(visit))
        .route("/held", get(held))
        .route("/plain/held", get(plain_held))
        .route("/flush", get(flush))
        .route("/plain/flush", get(plain_flush))
        .with_state(gate.clone());
    let layers = sessions(StoreBackend::new(store.clone()));
    (App::serve(routes.layer(sockets).layer(layers)).await, gate, store)
}

#[tokio::test]
async fn a_late_socket_handler_does_not_bring_the_session_back() {
    let (app, gate, store) = app().await;
    for path in ["/flush", "/plain/flush"] {
        let browser = Browser::new(&app);
        browser.get("/visit").await.ok();
        let cookie = browser.session();
        let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
        let number = socket.ask_later("/", "held", &[]).await;
        gate.reached().await;
        browser.get(path).await.ok();
        assert!(!store.has(&cookie), "{path}");
        gate.open();
        // It is told so, unless its socket was disconnected before.
        let heard = socket
            .wait("the end", |packet| {
                use socketioxide_session_tests::raw::Packet::{Ack, Closed, Disconnected};
                matches!(packet, Disconnected { .. } | Closed)
                    || matches!(packet, Ack { id, values, .. } if *id == number && values[0]["code"] == "session_ended")
            })
            .await;
        drop(heard);
        // Whoever comes with the old cookie finds nothing.
        assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.json(), 0);
        assert!(!store.has(&cookie), "{path}");
    }
}

#[tokio::test]
async fn a_late_http_handler_does_not_bring_the_session_back() {
    let (app, gate, store) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    let late = http::get(&app, "/held", Some(&cookie));
    let meanwhile = async {
        gate.reached().await;
        assert_eq!(socket.ask("logout", &[]).await, "bye");
        gate.open();
    };
    let (answer, ()) = tokio::join!(late, meanwhile);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(!store.has(&cookie));
}

#[tokio::test]
async fn a_late_plain_session_does_not_bring_the_session_back() {
    let (app, gate, store) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let late = http::get(&app, "/plain/held", Some(&cookie));
    let meanwhile = async {
        gate.reached().await;
        http::get(&app, "/flush", Some(&cookie)).await.ok();
        gate.open();
    };
    let (answer, ()) = tokio::join!(late, meanwhile);
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(store.is_empty());
}

#[tokio::test]
async fn only_the_ending_response_removes_the_cookie() {
    let (app, _, _) = app().await;
    for path in ["/flush", "/plain/flush"] {
        let browser = Browser::new(&app);
        browser.get("/visit").await.ok();
        let cookie = browser.session();
        let answer = http::get(&app, path, Some(&cookie)).await;
        let lines = answer.set_cookies();
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        assert!(lines[0].starts_with("id=;") && lines[0].contains("Max-Age=0"), "{path}: {lines:?}");
        assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.set_cookies(), [""; 0]);
    }
}

#[tokio::test]
async fn all_sockets_of_the_session_are_disconnected_and_no_others() {
    let (app, _, _) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let mut one = RawSocket::connect(&app, Some(&browser.session())).await;
    one.join("/shop").await.expect("a connection");
    let mut other = RawSocket::connect(&app, Some(&browser.session())).await;
    let mut stranger = RawSocket::connect(&app, None).await;
    browser.get("/flush").await.ok();
    one.disconnected("/").await;
    one.disconnected("/shop").await;
    other.disconnected("/").await;
    assert_eq!(stranger.ask("visit", &[]).await, 1);
}

#[tokio::test]
async fn a_logout_over_a_socket_is_acknowledged_and_then_ends_every_socket() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let (app, _, store) = app().await;
        let browser = Browser::new(&app);
        browser.get("/visit").await.ok();
        let cookie = browser.session();
        let clients = OfficialClients::start();
        let connect = || Connect::to(&app, transport).browser("page").cookie(cookie.clone()).come_back();
        let first = clients.connect(connect()).await;
        let second = clients.connect(connect()).await;
        assert_eq!(second.event("welcome").await, json!([1]));
        assert_eq!(first.ask("logout", &[]).await, "bye");
        for socket in [&first, &second] {
            assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]));
        }
        assert!(!store.has(&cookie));
        // The page comes back by itself, as nobody.
        assert_eq!(second.event("connect").await, json!([]));
        assert_eq!(second.event("welcome").await, json!([0]));
        assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.json(), 0);
    }
}

#[tokio::test]
async fn after_a_logout_over_a_socket_the_next_write_begins_anew() {
    let (app, _, store) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let ended = browser.session();
    let mut socket = RawSocket::connect(&app, Some(&ended)).await;
    assert_eq!(socket.ask("logout", &[]).await, "bye");
    socket.disconnected("/").await;
    // The browser still shows the cookie, which a socket cannot remove.
    assert_eq!(browser.get("/visits").await.json(), 0);
    browser.get("/visit").await.ok();
    assert_ne!(browser.session(), ended);
    assert!(store.has(&browser.session()) && !store.has(&ended));
    assert_eq!(browser.get("/visits").await.json(), 1);
}

#[tokio::test]
async fn a_handshake_begun_before_the_end_and_joined_after_is_refused() {
    let (app, _, _) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let mut late = RawSocket::open(&app, Some(&browser.session())).await.expect("a handshake");
    browser.get("/flush").await.ok();
    let refused = late.join("/").await;
    assert!(refused.is_err(), "a session that is over");
}

#[tokio::test]
async fn a_handshake_with_a_just_ended_session_tries_again_and_then_begins_another() {
    let (app, _, store) = app().await;
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    browser.get("/flush").await.ok();
    let Err(refused) = RawSocket::open(&app, Some(&cookie)).await else { panic!("no refusal") };
    assert_eq!(refused.0, 503, "{refused:?}");
    let mut tries = 0;
    let socket = loop {
        match RawSocket::open(&app, Some(&cookie)).await {
            Ok(socket) => break socket,
            Err(_) if tries < 40 => tries += 1,
            Err(error) => panic!("still refused: {error:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(socket.set_cookies.len(), 1, "a session of its own");
    assert!(!socket.set_cookies[0].starts_with(&cookie));
    assert!(!store.has(&cookie));
    assert_ne!(Value::Null, json!(socket.sid));
}
