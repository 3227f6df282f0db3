//! `SessionControl`: the key, a new id, an expiry of its own.
//!
//! Clauses: 5, 10.

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, SocketRef};
use socketioxide_session::{
    Error, Expiry, SessionControl, StoreBackend, connect_handler, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Client, Socket},
    fixture::shop::{self, User},
    node::{Connect, OfficialClients, Transport},
    stores::TestStore,
};

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<Value> {
    user.visits += 1;
    Json(json!([user.name, user.visits]))
}

/// No attribute: the layer carries it out.
async fn plain_cycle(control: SessionControl) -> Result<(), Error> {
    control.cycle_id()
}

async fn plain_key(control: SessionControl) -> String {
    control.key().to_string()
}

#[http_handler(user)]
async fn long_lived(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.visits += 1;
    control.set_expiry(Expiry::OnInactivity(time::Duration::days(365)))
}

/// An error as an answer of one's own.
struct Teapot;

impl From<Error> for Teapot {
    fn from(_: Error) -> Self {
        Self
    }
}

impl IntoResponse for Teapot {
    fn into_response(self) -> Response {
        StatusCode::IM_A_TEAPOT.into_response()
    }
}

#[http_handler(user)]
async fn set_expiry_and_fail(user: &mut User, control: SessionControl) -> Result<(), Teapot> {
    user.visits += 1;
    control.set_expiry(Expiry::OnInactivity(time::Duration::days(365)))?;
    Err(Teapot)
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> Value {
    user.visits += 1;
    json!([user.name, user.visits])
}

#[socket_handler]
async fn key(control: SessionControl) -> String {
    control.key().to_string()
}

#[socket_handler]
async fn socket_long_lived(control: SessionControl) -> Result<(), Error> {
    control.set_expiry(Expiry::OnInactivity(time::Duration::days(365)))
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef, control: SessionControl) {
    socket.emit("welcome", &user.name).expect("a connected socket");
    socket.join(control.key().to_string());
    socket.on("visit", socket_visit);
    socket.on("key", key);
    socket.on("long lived", socket_long_lived);
    socket.on("unannotated", async |control: SessionControl, ack: AckSender| {
        let refusals =
            [control.flush(), control.keep_changes(), control.set_expiry(None), control.cycle_id()];
        let codes = refusals.into_iter().map(|refusal| refusal.err().map(|error| error.kind().code()));
        ack.send(&[codes.collect::<Vec<_>>()]).ok();
    });
}

fn app() -> (App, TestStore) {
    let store = TestStore::default();
    let routes = Router::new()
        .route("/visit", get(visit))
        .route("/login", get(shop::http::login))
        .route("/plain/cycle", get(plain_cycle))
        .route("/plain/key", get(plain_key))
        .route("/long-lived", get(long_lived))
        .route("/set-expiry-and-fail", get(set_expiry_and_fail));
    let application = with_sockets(routes, (), |io| io.ns("/", connected));
    (App::new(application.layer(sessions(StoreBackend::new(store.clone())))), store)
}

#[tokio::test]
async fn the_key_is_one_for_requests_and_sockets_and_no_credential() {
    let (app, _) = app();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let key = browser.get("/plain/key").await.ok();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    assert_eq!(socket.ask("key", &[]).await, key.as_str());
    assert!(!key.is_empty() && !cookie.contains(&key) && !key.contains(cookie.trim_start_matches("id=")));
    // It stays when the id changes.
    browser.get("/login").await.ok();
    assert_eq!(browser.get("/plain/key").await.ok(), key);
    // As a cookie it opens nothing.
    let forged = format!("id={key}");
    assert_eq!(client::get(&app, "/visit", Some(&forged)).await.json(), json!([null, 1]));
}

#[tokio::test]
async fn cycle_id_needs_no_attribute_in_http() {
    let (app, store) = app();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let old = browser.session();
    browser.get("/plain/cycle").await.ok();
    assert_ne!(browser.session(), old);
    assert!(!store.has(&old));
    assert_eq!(browser.get("/visit").await.json(), json!([null, 2]));
}

#[tokio::test]
async fn the_owners_page_goes_on_as_the_user_and_the_fixer_stays_out() {
    let (app, _) = app();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let browser = Client::new(&app);
        browser.get("/visit").await.ok();
        let old = browser.session();
        let clients = OfficialClients::start();
        let page =
            clients.connect(Connect::to(&app, transport).browser("owner").cookie(&*old).come_back()).await;
        let fixer = Socket::connect(&app, Some(&old)).await;
        assert_eq!(page.event("welcome").await, json!([null]));
        browser.get("/login").await.ok();
        page.keep(&browser.session()).await;
        assert_eq!(page.event("session_ended").await, json!([{ "reason": "id_changed" }]));
        // Over polling the next poll, with the new cookie, may come before it and is not let in.
        page.event("disconnect").await;
        fixer.disconnected("/").await;
        assert_eq!(page.event("welcome").await, json!(["Ada"]));
        let refused = Socket::open(&app, Some(&old)).await;
        assert_eq!(refused.err().map(|(status, _)| status), Some(503));
    }
}

#[tokio::test]
async fn on_a_socket_without_an_attribute_its_methods_are_errors() {
    let (app, _) = app();
    let mut socket = Socket::connect(&app, None).await;
    assert_eq!(socket.ask("unannotated", &[]).await, json!(vec!["unavailable"; 4]));
}

#[tokio::test]
async fn an_expiry_of_its_own_is_kept() {
    let (app, store) = app();
    let browser = Client::new(&app);
    browser.get("/long-lived").await.ok();
    assert!(store.lives(&browser.session()) > time::Duration::days(300));
    browser.get("/visit").await.ok();
    assert!(store.lives(&browser.session()) > time::Duration::days(300));

    let other = Client::new(&app);
    other.get("/visit").await.ok();
    let mut socket = Socket::connect(&app, Some(&other.session())).await;
    assert_eq!(socket.ask("long lived", &[]).await, Value::Null);
    assert!(store.lives(&other.session()) > time::Duration::days(300));
}

#[tokio::test]
async fn an_expiry_set_by_a_handler_that_fails_is_discarded() {
    let (app, store) = app();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    assert_eq!(browser.get("/set-expiry-and-fail").await.status, 418);
    assert!(store.lives(&browser.session()) < time::Duration::days(300));
    assert_eq!(browser.get("/visit").await.json(), json!([null, 2]));
}
