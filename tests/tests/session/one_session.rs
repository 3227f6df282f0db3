//! What one commits, all the others see at their next access.
//!
//! Clauses: 1.

use axum::{
    Form, Json, Router,
    extract::State,
    response::Redirect,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::SocketRef;
use socketioxide_session::{Backend, MemoryBackend, Session, StoreBackend, connect_handler, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    fixture::shop::{self, User},
    gate::Gate,
    node::{Connect, OfficialClients, Transport},
    soon,
    stores::TestStore,
};
use tokio::sync::mpsc;

#[derive(Deserialize)]
struct Login {
    name: String,
}

#[http_handler(user)]
async fn login(user: &mut User, Form(login): Form<Login>) -> Redirect {
    user.name = Some(login.name);
    Redirect::to("/who")
}

async fn plain_who(session: Session) -> Json<Value> {
    let user: Option<Value> = session.get("user").await.expect("a session that loads");
    Json(user.unwrap_or_default()["name"].clone())
}

async fn plain_login(session: Session, Form(login): Form<Login>) {
    let mut user: Value = session.get("user").await.expect("a session that loads").unwrap_or_default();
    user["name"] = login.name.into();
    session.insert("user", user).await.expect("a session that takes values");
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    socket.emit("welcome", &user.name).expect("a connected socket");
    shop::listen(&socket);
}

fn app(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/login", post(login))
        .route("/who", get(shop::http::who))
        .route("/plain/login", post(plain_login))
        .route("/plain/who", get(plain_who));
    let application = with_sockets(routes, Gate::default(), |io| {
        io.ns("/", connected);
        io.ns("/shop", connected);
    });
    App::new(application.layer(sessions(backend)))
}

/// Login by form, a socket, an event, the next request, a plain `Session`, and back.
async fn everyone_sees_everything(backend: impl Backend, transport: Transport) {
    let app = app(backend);
    let browser = Client::new(&app);
    assert_eq!(browser.post("/login", &[("name", "Ada")]).await.status, 303);
    assert_eq!(browser.get("/who").await.json(), "Ada");
    assert_eq!(browser.get("/plain/who").await.json(), "Ada");

    let clients = OfficialClients::start();
    let socket = clients.connect(Connect::to(&app, transport).cookie(browser.session())).await;
    assert_eq!(socket.event("welcome").await, json!(["Ada"]));
    assert_eq!(socket.ask("who", &[]).await, "Ada");

    assert_eq!(socket.ask("rename", &[json!("Grace")]).await, Value::Null);
    assert_eq!(browser.get("/who").await.json(), "Grace");
    assert_eq!(browser.get("/plain/who").await.json(), "Grace");

    assert_eq!(browser.post("/plain/login", &[("name", "Mary")]).await.status, 200);
    assert_eq!(socket.ask("who", &[]).await, "Mary");
    assert_eq!(browser.get("/who").await.json(), "Mary");

    assert_eq!(browser.post("/login", &[("name", "Joan")]).await.status, 303);
    assert_eq!(socket.ask("who", &[]).await, "Joan");
    assert_eq!(browser.get("/plain/who").await.json(), "Joan");
}

#[tokio::test]
async fn over_websocket_in_memory() {
    everyone_sees_everything(MemoryBackend::default(), Transport::WebSocket).await;
}

#[tokio::test]
async fn over_polling_in_memory() {
    everyone_sees_everything(MemoryBackend::default(), Transport::Polling).await;
}

#[tokio::test]
async fn over_an_upgraded_connection_in_memory() {
    everyone_sees_everything(MemoryBackend::default(), Transport::Upgrade).await;
}

#[tokio::test]
async fn over_websocket_in_a_store() {
    everyone_sees_everything(StoreBackend::new(TestStore::default()), Transport::WebSocket).await;
}

#[tokio::test]
async fn over_polling_in_a_store() {
    everyone_sees_everything(StoreBackend::new(TestStore::default()), Transport::Polling).await;
}

#[tokio::test]
async fn in_every_namespace() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let app = app(MemoryBackend::default());
        let clients = OfficialClients::start();
        let root = clients.connect(Connect::to(&app, transport)).await;
        let shop = clients.connect(Connect::to(&app, transport).namespace("/shop").over(&root)).await;
        assert_eq!(shop.event("welcome").await, json!([null]));
        root.ask("rename", &[json!("Ada")]).await;
        assert_eq!(shop.ask("who", &[]).await, "Ada");
        shop.ask("rename", &[json!("Grace")]).await;
        assert_eq!(root.ask("who", &[]).await, "Grace");
    }
}

#[tokio::test]
async fn on_every_connection_of_a_session() {
    let app = app(MemoryBackend::default());
    let browser = Client::new(&app);
    browser.post("/login", &[("name", "Ada")]).await;
    let mut first = Socket::connect(&app, Some(&browser.session())).await;
    let mut second = Socket::connect(&app, Some(&browser.session())).await;
    let mut stranger = Socket::connect(&app, None).await;
    first.ask("rename", &[json!("Grace")]).await;
    assert_eq!(second.ask("who", &[]).await, "Grace");
    assert_eq!(stranger.ask("who", &[]).await, Value::Null);
}

async fn note_path(
    session: Session,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let path = request.uri().path().to_owned();
    session.insert("last path", path).await.expect("a session that takes values");
    next.run(request).await
}

async fn last_path(session: Session) -> Json<Option<String>> {
    Json(session.get("last path").await.expect("a session that loads"))
}

#[tokio::test]
async fn beside_a_middleware_with_a_plain_session() {
    let routes = Router::new()
        .route("/add", get(shop::http::add))
        .layer(axum::middleware::from_fn(note_path))
        .route("/count", get(shop::http::count))
        .route("/last-path", get(last_path));
    let app = App::new(routes.layer(sessions(MemoryBackend::default())));
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let many = (0..30).map(|_| async { browser.get("/add").await.ok() });
    futures_util::future::join_all(many).await;
    assert_eq!(browser.get("/count").await.json(), 31);
    assert_eq!(browser.get("/last-path").await.json(), "/add");
}

async fn hand_out(session: Session, State(keep): State<mpsc::UnboundedSender<Session>>) {
    session.insert("mine", 1).await.expect("a session that takes values");
    keep.send(session).expect("a test that listens");
}

async fn mine(session: Session) -> Json<Option<u32>> {
    Json(session.get("mine").await.expect("a session that loads"))
}

#[tokio::test]
async fn a_plain_session_kept_past_its_request_is_refused() {
    let (keep, mut kept) = mpsc::unbounded_channel();
    let routes = Router::new().route("/hand-out", get(hand_out)).route("/mine", get(mine)).with_state(keep);
    let app = App::new(routes.layer(sessions(MemoryBackend::default())));
    let browser = Client::new(&app);
    browser.get("/hand-out").await.ok();
    let session = soon("the session", kept.recv()).await.expect("the session");
    session.insert("mine", 2).await.ok();
    session.save().await.expect_err("a save after the request");
    assert_eq!(browser.get("/mine").await.json(), 1);
}

#[tokio::test]
async fn the_plain_session_of_a_handshake_is_refused_in_its_sockets() {
    let (keep, mut kept) = mpsc::unbounded_channel();
    let hand_out = async move |socket: SocketRef| {
        keep.send(socket.req_parts().extensions.get::<Session>().cloned()).expect("a test that listens");
    };
    let routes = Router::new().route("/mine", get(mine));
    let application = with_sockets(routes, (), |io| io.ns("/", hand_out));
    let app = App::new(application.layer(sessions(MemoryBackend::default())));
    let socket = Socket::connect(&app, None).await;
    let session = soon("the session", kept.recv()).await.flatten().expect("the handshake's session");
    session.insert("mine", 2).await.ok();
    session.save().await.expect_err("a save after the request");
    socket.leave().await;
}
