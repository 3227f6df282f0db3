//! A forgotten or misplaced layer is an error that says what to write.
//!
//! Clauses: 9.

use axum::{Router, routing::get};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{Error, MemoryBackend, SessionControl, Shared, connect_handler, session_alive};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Client, Socket},
    fixture::shop::{self, User},
};

const WHAT_TO_WRITE: &str = ".layer(SessionLayer::new(";

async fn control(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    let _ = (user, socket);
}

/// Of a library whose routes work with sessions and without.
async fn maybe(control: Option<SessionControl>, visitor: Option<Shared<User>>) -> Result<String, Error> {
    let (Some(control), Some(visitor)) = (control, visitor) else { return Ok("no sessions here".to_owned()) };
    let visits = visitor.update(|user| {
        user.visits += 1;
        user.visits
    });
    Ok(format!("visit {} of {}", visits.await?, control.key()))
}

async fn plain(socket: SocketRef) {
    socket.on("visit", shop::sockets::visit);
}

fn namespaces(io: &SocketIo) {
    io.ns("/", connected);
    io.ns("/plain", plain);
    io.ns("/alive", plain.with(session_alive));
}

fn routes() -> Router {
    Router::new()
        .route("/visit", get(shop::http::visit))
        .route("/visits", get(shop::http::visits))
        .route("/shared-visit", get(shop::http::shared_visit))
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
    let app = App::new(with_sockets(routes(), (), namespaces));
    for path in ["/visit", "/visits", "/shared-visit", "/control"] {
        let answer = client::get(&app, path, None).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains(WHAT_TO_WRITE), "{path}: {}", answer.body);
    }
    sockets_say_what_to_write(&app).await;
}

#[tokio::test]
async fn with_the_sockets_outside_of_the_layer_sockets_say_what_to_write() {
    let inside = routes().layer(sessions(MemoryBackend::default()));
    let app = App::new(with_sockets(inside, (), namespaces));
    Client::new(&app).get("/visit").await.ok();
    sockets_say_what_to_write(&app).await;
}

#[tokio::test]
async fn who_asks_whether_there_is_a_layer_is_told() {
    let routes = Router::new().route("/maybe", get(maybe));
    let (with, without) =
        (App::new(routes.clone().layer(sessions(MemoryBackend::default()))), App::new(routes));
    assert_eq!(client::get(&without, "/maybe", None).await.ok(), "no sessions here");
    let browser = Client::new(&with);
    assert!(browser.get("/maybe").await.ok().starts_with("visit 1 of "));
    assert!(browser.get("/maybe").await.ok().starts_with("visit 2 of "));
}
