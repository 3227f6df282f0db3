//! A forgotten or misplaced layer is an error that says what to write.
//!
//! Clauses: 9.

use axum::{Router, routing::get};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    Error, MemoryBackend, SessionControl, Shared, connect_handler, http_handler, session_alive,
    session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client, Socket},
};

const WHAT_TO_WRITE: &str = ".layer(SessionLayer::new(";

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

#[http_handler(user)]
async fn look(user: &User) {
    let _ = user;
}

async fn shared(user: Shared<User>) -> Result<(), Error> {
    user.update(|user| user.visits += 1).await
}

async fn control(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) {
    user.visits += 1;
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    let _ = (user, socket);
}

async fn plain(socket: SocketRef) {
    socket.on("visit", socket_visit);
}

fn namespaces(io: &SocketIo) {
    io.ns("/", connected);
    io.ns("/plain", plain);
    io.ns("/alive", plain.with(session_alive));
}

fn routes() -> Router {
    Router::new()
        .route("/visit", get(visit))
        .route("/look", get(look))
        .route("/shared", get(shared))
        .route("/control", get(control))
}

async fn sockets_say_what_to_write(app: &App) {
    let mut socket = Socket::open(app, None).await.expect("a handshake");
    for namespace in ["/", "/alive"] {
        let message = socket.join(namespace).await.expect_err("a connect_error");
        assert!(message.contains(WHAT_TO_WRITE), "{namespace}: {message}");
    }
    socket.join("/plain").await.expect("a namespace that needs no session");
    let answer = socket.ask_in("/plain", "visit", &[]).await;
    assert_eq!(answer["code"], "layer_missing");
    assert!(answer["error"].as_str().is_some_and(|text| text.contains(WHAT_TO_WRITE)), "{answer}");
}

#[tokio::test]
async fn without_a_layer_requests_and_sockets_say_what_to_write() {
    let (sockets, io) = SocketIo::new_layer();
    namespaces(&io);
    let app = App::new(routes().layer(sockets));
    for path in ["/visit", "/look", "/shared", "/control"] {
        let answer = client::get(&app, path, None).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains(WHAT_TO_WRITE), "{path}: {}", answer.body);
    }
    sockets_say_what_to_write(&app).await;
}

#[tokio::test]
async fn with_the_sockets_outside_of_the_layer_sockets_say_what_to_write() {
    let (sockets, io) = SocketIo::new_layer();
    namespaces(&io);
    let app = App::new(routes().layer(sessions(MemoryBackend::default())).layer(sockets));
    Client::new(&app).get("/visit").await.ok();
    sockets_say_what_to_write(&app).await;
}
