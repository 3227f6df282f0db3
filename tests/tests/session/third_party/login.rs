//! axum-login 0.18 inside our layer: it speaks to a plain `Session` and is seen by all the others.
//!
//! Clauses: 1, 10.

use axum::{
    Form, Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use axum_login::{AuthManager, AuthSession};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::SocketRef;
use socketioxide_session::{
    Backend, MemoryBackend, StoreBackend, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Client, Socket},
    fixture::{
        people::{People, Person},
        shop::User,
    },
    stores::TestStore,
};

#[derive(Deserialize)]
struct Credentials {
    name: String,
}

/// A state of its own: the value that axum-login keeps, and only what is needed of it.
#[session_state(key = "axum-login.data")]
struct Login {
    user_id: Option<String>,
}

async fn login(mut auth: AuthSession<People>, Form(credentials): Form<Credentials>) -> StatusCode {
    match auth.authenticate(credentials.name).await {
        Ok(Some(person)) => match auth.login(&person).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        },
        _ => StatusCode::UNAUTHORIZED,
    }
}

async fn logout(mut auth: AuthSession<People>) -> StatusCode {
    match auth.logout().await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn fail_after_login(mut auth: AuthSession<People>) -> StatusCode {
    auth.login(&Person("Ada".to_owned())).await.expect("a session that takes values");
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn person(auth: AuthSession<People>) -> Json<Option<String>> {
    Json(auth.user.map(|person| person.0))
}

/// Both kinds of session in one handler.
#[http_handler(user, login)]
async fn visit(user: &mut User, login: &Login, auth: AuthSession<People>) -> Json<Value> {
    user.visits += 1;
    assert_eq!(auth.user.map(|person| person.0), login.user_id);
    Json(json!([login.user_id, user.visits]))
}

#[socket_handler(user, login)]
async fn socket_visit(user: &mut User, login: &Login) -> Value {
    user.visits += 1;
    json!([login.user_id, user.visits])
}

#[connect_handler(login)]
async fn connected(login: &Login, socket: SocketRef) {
    socket.emit("welcome", &login.user_id).expect("a connected socket");
}

fn app(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/fail-after-login", get(fail_after_login))
        .route("/person", get(person))
        .route("/visit", get(visit));
    let auth = tower::layer::layer_fn(|inner| AuthManager::new(inner, People, "axum-login.data"));
    let application = with_sockets(routes, (), |io| io.ns("/", connected.on("visit", socket_visit)));
    App::new(application.layer(auth).layer(sessions(backend)))
}

async fn logs_in_and_out(backend: impl Backend) {
    let app = app(backend);
    let browser = Client::new(&app);
    assert_eq!(browser.get("/visit").await.json(), json!([null, 1]));
    assert_eq!(browser.post("/login", &[("name", "nobody")]).await.status, 401);
    assert_eq!(browser.get("/person").await.json(), Value::Null);

    // A login changes the id and keeps what was in the session.
    let old = browser.session();
    let before = Socket::connect(&app, Some(&old)).await;
    assert_eq!(browser.post("/login", &[("name", "Ada")]).await.status, 204);
    assert_ne!(browser.session(), old);
    before.disconnected("/").await;
    assert_eq!(browser.get("/person").await.json(), "Ada");
    assert_eq!(browser.get("/visit").await.json(), json!(["Ada", 2]));

    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.event("welcome").await, [json!("Ada")]);
    assert_eq!(socket.ask("visit", &[]).await, json!(["Ada", 3]));
    assert_eq!(browser.get("/visit").await.json(), json!(["Ada", 4]));

    // A logout ends the session, and its sockets.
    let ended = browser.session();
    assert_eq!(browser.post("/logout", &[]).await.status, 204);
    assert_eq!(browser.cookie(), None);
    socket.disconnected("/").await;
    assert_eq!(browser.get("/person").await.json(), Value::Null);
    assert_eq!(client::get(&app, "/person", Some(&ended)).await.json(), Value::Null);
    assert_eq!(browser.get("/visit").await.json(), json!([null, 1]));
}

#[tokio::test]
async fn logs_in_and_out_in_memory() {
    logs_in_and_out(MemoryBackend::default()).await;
}

#[tokio::test]
async fn logs_in_and_out_in_a_store() {
    logs_in_and_out(StoreBackend::new(TestStore::default())).await;
}

#[tokio::test]
async fn a_login_whose_handler_fails_loses_nothing() {
    let store = TestStore::default();
    let app = app(StoreBackend::new(store.clone()));
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let answer = browser.get("/fail-after-login").await;
    assert_eq!((answer.status, answer.set_cookies()), (500, vec![]));
    assert!(store.has(&cookie));
    assert_eq!(browser.get("/person").await.json(), Value::Null);
    assert_eq!(browser.get("/visit").await.json(), json!([null, 2]));
}
