//! A socket that is still on its way to CONNECT when its session ends, or changes its id, does not outlive that, however
//! long its connect middlewares take.
//!
//! Clauses: 10, 11.

use std::time::Duration;

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide::{
    SocketIo,
    extract::{SocketRef, State},
    handler::ConnectHandler,
};
use socketioxide_session::{
    Error, MemoryBackend, SessionControl, connect_middleware, http_handler, session_alive, testing::Packet,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::shop::User,
    gate::Gate,
};

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.name = Some("Ada".to_owned());
    control.cycle_id()
}

#[http_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

/// It asks somebody who takes long.
#[connect_middleware(user)]
async fn only_visitors(user: &User, State(gate): State<Gate>) -> Result<(), String> {
    gate.pass().await;
    if user.visits > 0 { Ok(()) } else { Err("nobody".to_owned()) }
}

#[connect_middleware(user)]
async fn quick(user: &User) -> Result<(), String> {
    if user.visits > 0 { Ok(()) } else { Err("nobody".to_owned()) }
}

async fn slow(State(gate): State<Gate>) -> Result<(), String> {
    gate.pass().await;
    Ok(())
}

async fn plain(socket: SocketRef) {
    socket.join("lobby");
}

/// Of a plain handler the middleware that was given last runs first.
fn site() -> (App, SocketIo, Gate) {
    let gate = Gate::default();
    let (sockets, io) = SocketIo::builder().with_state(gate.clone()).build_layer();
    io.ns("/", plain.with(only_visitors));
    io.ns("/before", plain.with(slow).with(quick));
    io.ns("/alive-before", plain.with(slow).with(session_alive));
    io.ns("/alive", session_alive(plain.with(slow)));
    io.ns("/alive-too", session_alive(plain).with(slow));
    let routes = Router::new()
        .route("/visit", get(visit))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(sockets)
        .layer(sessions(MemoryBackend::default()));
    (App::new(routes), io, gate)
}

/// Connects to the namespace and stands at the gate while this is asked for; the answer comes three seconds later.
async fn overtaken(namespace: &str, path: &str) -> (Socket, Result<(), String>, SocketIo) {
    let (app, io, gate) = site();
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let socket = Socket::open(&app, Some(&cookie)).await.expect("a handshake");
    let ends = async {
        gate.reached().await;
        assert_eq!(client::get(&app, path, Some(&cookie)).await.status, 200);
        tokio::time::sleep(Duration::from_secs(3)).await;
        gate.open();
    };
    let (joined, ()) = tokio::join!(socket.join(namespace), ends);
    (socket, joined, io)
}

#[tokio::test(start_paused = true)]
async fn a_slow_middleware_of_this_crate_refuses_it() {
    for path in ["/logout", "/login"] {
        let (_, joined, io) = overtaken("/", path).await;
        let refused = joined.expect_err("a session that is over");
        assert!(refused.contains("nothing was saved"), "{path}: {refused}");
        assert_eq!(io.sockets().len(), 0, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_slow_middleware_of_others_it_ends_with_its_connect() {
    for namespace in ["/before", "/alive-before"] {
        for path in ["/logout", "/login"] {
            let (socket, joined, io) = overtaken(namespace, path).await;
            joined.expect("a connection, for a moment");
            socket.disconnected(namespace).await;
            hears_no_secret(&socket, &io, namespace).await;
        }
    }
}

/// Where `session_alive` looks last the client never hears CONNECT: neither somebody who has logged out, nor somebody who
/// planted an id with which another logged in.
#[tokio::test(start_paused = true)]
async fn around_a_plain_handler_session_alive_refuses_it() {
    for namespace in ["/alive", "/alive-too"] {
        for path in ["/logout", "/login"] {
            let (socket, joined, io) = overtaken(namespace, path).await;
            joined.expect_err("a session that is over");
            hears_no_secret(&socket, &io, namespace).await;
        }
        let (_, joined, io) = overtaken(namespace, "/visit").await;
        joined.expect("a session that lives");
        assert_eq!(io.of(namespace).expect("a namespace").sockets().len(), 1, "{namespace}");
    }
}

/// What is pushed to the room that the plain handler joins.
async fn hears_no_secret(socket: &Socket, io: &SocketIo, namespace: &str) {
    let pushes = || io.of(namespace).expect("a namespace");
    pushes().to("lobby").emit("secret", &json!("for who is logged in")).await.ok();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = socket.unasked();
    let secret = |packet: &Packet| matches!(packet, Packet::Event { name, .. } if name == "secret");
    assert!(!heard.iter().any(secret), "{namespace}: {heard:?}");
    assert_eq!(pushes().sockets().len(), 0, "{namespace}");
}
