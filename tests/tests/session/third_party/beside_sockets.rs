//! axum-login 0.18 and axum-messages 0.8, unchanged, in one application with annotated handlers, while sockets of the
//! same session write their state: nothing is lost on either side.
//!
//! Clauses: 1, 6, 7, 10, 11.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use axum_login::{AuthManager, AuthSession};
use axum_messages::{Messages, MessagesManagerLayer};
use futures_util::future::join_all;
use serde_json::{Value, json};
use socketioxide_session::{
    Backend, EventRouter, MemoryBackend, StoreBackend, http_handler, socket_handler, testing::Packet,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    fixture::{people::People, shop::Left},
    soak::short_or_long,
    stores::TestStore,
};
use tokio::task::yield_now;

async fn login(mut auth: AuthSession<People>, Path(name): Path<String>, messages: Messages) -> StatusCode {
    let person = auth.authenticate(name).await.expect("people").expect("a person");
    auth.login(&person).await.expect("a login");
    messages.info(format!("welcome, {}", person.0));
    StatusCode::NO_CONTENT
}

async fn logout(mut auth: AuthSession<People>) -> StatusCode {
    auth.logout().await.expect("a logout");
    StatusCode::NO_CONTENT
}

async fn person(auth: AuthSession<People>) -> Json<Option<String>> {
    Json(auth.user.map(|person| person.0))
}

async fn say(messages: Messages, Path(text): Path<String>) {
    messages.info(text);
}

async fn listen(messages: Messages) -> Json<Vec<String>> {
    Json(messages.into_iter().map(|message| message.to_string()).collect())
}

/// All three in one handler. Requests count in one field, events in the other one of the same state.
#[http_handler(left)]
async fn visit(left: &mut Left, auth: AuthSession<People>, messages: Messages) -> Json<Value> {
    let before = left.two;
    yield_now().await;
    left.two = before + 1;
    messages.info(format!("visit {}", left.two));
    Json(json!([auth.user.map(|person| person.0), left.two]))
}

#[http_handler(left)]
async fn counts(left: &Left) -> Json<[u64; 2]> {
    Json([left.one, left.two])
}

#[socket_handler(left)]
async fn add(left: &mut Left) -> u64 {
    let before = left.one;
    yield_now().await;
    left.one = before + 1;
    left.one
}

fn connected() -> EventRouter {
    EventRouter::new().on("add", add)
}

fn app(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/login/{name}", get(login))
        .route("/logout", get(logout))
        .route("/person", get(person))
        .route("/say/{text}", get(say))
        .route("/listen", get(listen))
        .route("/visit", get(visit))
        .route("/counts", get(counts));
    let auth = tower::layer::layer_fn(|inner| AuthManager::new(inner, People, "axum-login.data"));
    let application = with_sockets(routes, (), |io| io.ns("/", connected()));
    App::new(application.layer(auth).layer(MessagesManagerLayer).layer(sessions(backend)))
}

/// Adds one after the other until it is told to stop; gives how often.
async fn add_until(stop: &AtomicBool, socket: &mut Socket) -> u64 {
    let mut added = 0;
    while !stop.load(Ordering::Relaxed) {
        socket.ask("add", &[]).await.as_u64().expect("a count");
        added += 1;
    }
    added
}

/// Somebody who is logged in says, listens and visits while three sockets write.
async fn flash_messages_beside_sockets(backend: impl Backend) {
    let rounds: u64 = short_or_long(40, 800);
    let app = app(backend);
    let browser = Client::new(&app);
    assert_eq!(browser.get("/login/Ada").await.status, 204);
    assert_eq!(browser.get("/listen").await.json(), json!(["welcome, Ada"]));
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::connect(&app, Some(&browser.session())).await);
    }
    let stop = AtomicBool::new(false);
    let writing = join_all(sockets.iter_mut().map(|socket| add_until(&stop, socket)));
    let browsing = async {
        for round in 1..=rounds {
            // Said once, and heard once, by the next request.
            browser.get(&format!("/say/{round}")).await.ok();
            assert_eq!(browser.get("/listen").await.json(), json!([round.to_string()]));
            assert_eq!(browser.get("/listen").await.json(), json!([]));
            assert_eq!(browser.get("/visit").await.json(), json!(["Ada", round]));
            assert_eq!(browser.get("/listen").await.json(), json!([format!("visit {round}")]));
            assert_eq!(browser.get("/person").await.json(), "Ada");
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (added, ()) = tokio::join!(writing, browsing);
    println!("{rounds} rounds beside {added:?} events");
    assert!(added.iter().all(|added| *added > 0));
    assert_eq!(browser.get("/counts").await.json(), json!([added.iter().sum::<u64>(), rounds]));
    assert_eq!(browser.get("/person").await.json(), "Ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flash_messages_beside_sockets_in_memory() {
    flash_messages_beside_sockets(MemoryBackend::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flash_messages_beside_sockets_in_a_store() {
    flash_messages_beside_sockets(StoreBackend::new(TestStore::default())).await;
}

/// A socket that writes until it is disconnected. Counts what was asked for and what was acknowledged.
async fn add_until_disconnected(mut socket: Socket, asked: &AtomicU64, told: &AtomicU64) {
    loop {
        asked.fetch_add(1, Ordering::Relaxed);
        socket.ask_later("/", "add", &[]).await;
        match socket.next().await {
            Some(Packet::Ack { args: values, .. }) if values[0].is_u64() => {
                told.fetch_add(1, Ordering::Relaxed);
            }
            Some(Packet::Ack { args: values, .. }) => {
                let code = values[0]["code"].as_str().expect("a code");
                assert!(["id_changed", "session_ended"].contains(&code), "{code}");
            }
            Some(Packet::Event { name, .. }) if name == "session_ended" => return,
            Some(Packet::Disconnect { .. }) | None => return,
            other => panic!("{other:?}"),
        }
    }
}

/// A login, which changes the id, and then a logout, while three sockets write: nothing that was acknowledged is lost,
/// nothing is counted twice, and the login is there.
async fn logs_in_and_out_beside_sockets(app: &App) -> (u64, u64) {
    let browser = Client::new(app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let (asked, told) = (AtomicU64::new(0), AtomicU64::new(0));
    let three_sockets = async || {
        let cookie = browser.session();
        join_all((0..3).map(|_| Socket::connect(app, Some(&cookie)))).await
    };
    let writing = |sockets: Vec<Socket>| {
        join_all(sockets.into_iter().map(|socket| add_until_disconnected(socket, &asked, &told)))
    };
    let ten_are_told = async || {
        let before = told.load(Ordering::Relaxed);
        while told.load(Ordering::Relaxed) < before + 10 {
            assert_eq!(browser.get("/say/hello").await.status, 200);
        }
    };
    let counted = async || {
        let told = told.load(Ordering::Relaxed);
        let counts = browser.get("/counts").await.json();
        let (asked, counted) = (asked.load(Ordering::Relaxed), counts[0].as_u64().expect("a count"));
        assert!((told..=asked).contains(&counted), "{told} <= {counted} <= {asked}");
    };
    let logging_in = async {
        ten_are_told().await;
        assert_eq!(browser.get("/login/Ada").await.status, 204);
    };
    tokio::join!(writing(three_sockets().await), logging_in);
    assert_ne!(browser.session(), cookie);
    assert_eq!(browser.get("/listen").await.json(), json!(["welcome, Ada"]));
    assert_eq!(browser.get("/person").await.json(), "Ada");
    assert_eq!(browser.get("/visit").await.json(), json!(["Ada", 2]));
    counted().await;

    let logging_out = async {
        ten_are_told().await;
        assert_eq!(browser.get("/person").await.json(), "Ada");
        assert_eq!(browser.get("/visit").await.json(), json!(["Ada", 3]));
        counted().await;
        assert_eq!(browser.get("/logout").await.status, 204);
    };
    tokio::join!(writing(three_sockets().await), logging_out);
    assert_eq!(browser.cookie(), None);
    assert_eq!(browser.get("/person").await.json(), Value::Null);
    assert_eq!(browser.get("/visit").await.json(), json!([null, 1]));
    (asked.into_inner(), told.into_inner())
}

async fn logins_and_logouts_beside_sockets(backend: impl Backend) {
    let app = app(backend);
    let (mut asked, mut told) = (0, 0);
    for _ in 0..short_or_long(10, 200) {
        let (more_asked, more_told) = logs_in_and_out_beside_sockets(&app).await;
        (asked, told) = (asked + more_asked, told + more_told);
    }
    println!("logins and logouts: {asked} events sent, {told} acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_logouts_beside_sockets_in_memory() {
    logins_and_logouts_beside_sockets(MemoryBackend::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_logouts_beside_sockets_in_a_store() {
    logins_and_logouts_beside_sockets(StoreBackend::new(TestStore::default())).await;
}
