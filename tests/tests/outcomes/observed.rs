//! What an operator sees of calls: a span each, and a line of the log for each failure, by handler, state and key.
//!
//! Clauses: 17.

use std::time::Duration;

use axum::{
    Form, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};
use socketioxide_session::{
    Error, MemoryBackend, SessionControl, SessionLayer, Shared, connect_handler, connect_middleware,
    http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    gate::Gate,
    log::Log,
    stores,
};
use tracing::Level;

#[session_state]
struct Basket {
    items: u32,
}

/// The same key, and a type that does not fit.
#[session_state(key = "basket")]
struct Sack {
    items: String,
}

#[http_handler(basket)]
async fn put(basket: &mut Basket) -> String {
    basket.items += 1;
    tracing::info!("inside the function");
    basket.items.to_string()
}

#[http_handler(basket)]
async fn refuse(basket: &mut Basket) -> Result<(), StatusCode> {
    basket.items += 1;
    Err(StatusCode::CONFLICT)
}

#[http_handler(basket)]
async fn burst(basket: &mut Basket) {
    basket.items += 1;
    std::panic::resume_unwind(Box::new("as the test wants"));
}

/// What panics when a response is made of it.
struct Torn;

impl IntoResponse for Torn {
    fn into_response(self) -> Response {
        std::panic::resume_unwind(Box::new("as the test wants"));
    }
}

#[http_handler(basket)]
async fn torn(basket: &mut Basket) -> Torn {
    basket.items += 1;
    Torn
}

/// Another handler of a name that there is.
mod elsewhere {
    use super::{Basket, http_handler};

    #[http_handler(basket)]
    pub(super) async fn put(basket: &mut Basket) -> String {
        basket.items += 100;
        basket.items.to_string()
    }
}

#[http_handler(sack)]
async fn sack(sack: &Sack) -> String {
    sack.items.clone()
}

#[http_handler(basket)]
async fn hold(basket: &mut Basket, axum::extract::State(gate): axum::extract::State<Gate>) {
    basket.items += 1;
    gate.pass().await;
}

async fn shared(basket: Shared<Basket>) -> Result<(), Error> {
    basket.update(|basket| basket.items += 1).await
}

#[http_handler(basket)]
async fn key(basket: &Basket, control: SessionControl) -> String {
    let _ = basket;
    control.key().to_string()
}

#[http_handler(basket)]
async fn login(basket: &mut Basket, control: SessionControl) -> Result<(), Error> {
    basket.items += 1;
    control.set_owner("ada-the-owner")?;
    control.cycle_id()
}

#[http_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

#[socket_handler(basket)]
async fn put_by_event(basket: &mut Basket) -> u32 {
    basket.items += 1;
    basket.items
}

#[socket_handler(basket)]
async fn put_many(basket: &mut Basket, Data(items): Data<u32>) -> u32 {
    basket.items += items;
    basket.items
}

#[derive(serde::Deserialize)]
struct Many {
    items: u32,
}

#[http_handler(basket)]
async fn put_some(basket: &mut Basket, Form(many): Form<Many>) {
    basket.items += many.items;
}

#[connect_handler(basket)]
async fn came_with_words(basket: &Basket, Data(_words): Data<Vec<String>>) {
    let _ = basket;
}

#[socket_handler(basket)]
async fn burst_by_event(basket: &mut Basket) -> u32 {
    basket.items += 1;
    std::panic::resume_unwind(Box::new("as the test wants"));
}

#[connect_middleware(basket)]
async fn guard(basket: &Basket) -> Result<(), String> {
    let _ = basket;
    Ok(())
}

#[connect_handler(basket)]
async fn came(basket: &Basket, _socket: SocketRef) {
    let _ = basket;
}

#[socket_handler(basket)]
async fn gone(basket: &mut Basket) {
    basket.items += 1;
}

fn application(layer: SessionLayer) -> (App, Gate) {
    let gate = Gate::default();
    let (sockets, io) = SocketIo::new_layer();
    let connect = came
        .on("put", put_by_event)
        .on("many", put_many)
        .on("burst", burst_by_event)
        .on_disconnect(gone)
        .with(guard);
    io.ns("/", connect);
    io.ns("/words", came_with_words);
    let router = Router::new()
        .route("/put/{shelf}", get(put))
        .route("/some", post(put_some))
        .route("/refuse", get(refuse))
        .route("/burst", get(burst))
        .route("/torn", get(torn))
        .route("/put-elsewhere", get(elsewhere::put))
        .route("/sack", get(sack))
        .route("/hold", get(hold))
        .route("/shared", get(shared))
        .route("/key", get(key))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .with_state(gate.clone())
        .layer(sockets)
        .layer(layer);
    (App::new(router), gate)
}

/// The spans of this handler that are closed, each as its line.
fn spans(log: &Log, handler: &str) -> Vec<String> {
    let of = format!("::{handler}\" ");
    let text = log.text();
    let closed =
        text.lines().filter(|line| line.contains("socketioxide_session: close") && line.contains(&of));
    closed.map(str::to_owned).collect()
}

#[track_caller]
fn says(line: &str, all: &[&str]) {
    for words in all {
        assert!(line.contains(words), "without `{words}`: {line}");
    }
}

#[tokio::test]
async fn a_call_is_a_span_with_its_key_and_its_ending() {
    let (log, _logging) = Log::begin(Level::INFO);
    let (app, gate) = application(sessions(MemoryBackend::default()));
    let browser = Client::new(&app);
    browser.get("/put/7?secret=word").await.ok();
    let key = browser.get("/key").await.body;
    let of_key = format!("key=\"{key}\"");
    for path in ["/put/8", "/refuse", "/burst", "/shared"] {
        browser.get(path).await;
    }
    tokio::select! {
        _ = browser.get("/hold") => panic!("it is held"),
        () = gate.reached() => {}
    }
    gate.open();

    let put = &spans(&log, "put")[1];
    says(put, &["route=\"/put/{shelf}\"", "kind=\"http\"", "states=[\"basket\"]", &of_key]);
    says(put, &["waited=", "held=", "committed=true", "ending=\"normal\""]);
    says(&spans(&log, "refuse")[0], &[&of_key, "committed=false", "ending=\"failed\""]);
    says(&spans(&log, "burst")[0], &[&of_key, "committed=false", "ending=\"panicked\""]);
    says(&spans(&log, "update")[0], &["kind=\"shared\"", &of_key, "committed=true"]);
    says(&spans(&log, "hold")[0], &[&of_key, "ending=\"cancelled\""]);
    let text = log.text();
    let inside = text.lines().find(|line| line.contains("inside the function")).expect("a line");
    says(inside, &["session{", "handler=\"outcomes::observed::put\""]);
    assert!(!text.contains("secret"), "never the address: only its route");
}

#[tokio::test]
async fn the_calls_of_a_socket_are_spans_with_event_and_namespace() {
    let (log, _logging) = Log::begin(Level::INFO);
    let (app, _gate) = application(sessions(MemoryBackend::default()));
    let browser = Client::new(&app);
    browser.get("/put/1").await.ok();
    let of_key = format!("key=\"{}\"", browser.get("/key").await.body);
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("put", &[]).await, json!(2));
    socket.ask("burst", &[]).await;
    socket.leave().await;
    tokio::time::timeout(Duration::from_mins(1), async {
        while spans(&log, "gone").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the span of the disconnect handler");

    for (handler, kind) in [("guard", "connect_middleware"), ("came", "connect"), ("gone", "disconnect")] {
        let kind = format!("kind=\"{kind}\"");
        says(&spans(&log, handler)[0], &[&kind, "namespace=\"/\"", &of_key, "ending=\"normal\""]);
    }
    let put = &spans(&log, "put_by_event")[0];
    says(
        put,
        &[
            "kind=\"event\"",
            "event=\"put\"",
            "namespace=\"/\"",
            &of_key,
            "waited=",
            "held=",
            "committed=true",
        ],
    );
    says(&spans(&log, "burst_by_event")[0], &["event=\"burst\"", "ending=\"panicked\"", "committed=false"]);
    let failures: Vec<_> =
        log.text().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect();
    assert_eq!(failures.len(), 1, "a failure is one line: {failures:?}");
    says(&failures[0], &["burst_by_event", "states=[\"basket\"]", &of_key, "panicked"]);
}

#[tokio::test]
async fn a_jam_is_a_warning_once_a_minute_and_a_failure_says_why() {
    let (log, _logging) = Log::begin(Level::INFO);
    let layer = sessions(MemoryBackend::default()).with_turn_timeout(Duration::from_millis(20));
    let (app, gate) = application(layer);
    let browser = Client::new(&app);
    browser.get("/put/1").await.ok();
    let of_key = format!("key=\"{}\"", browser.get("/key").await.body);
    let jam = async {
        gate.reached().await;
        for path in ["/put/1", "/put/1", "/put/1", "/put-elsewhere"] {
            assert_eq!(browser.get(path).await.status, 503);
        }
        gate.open();
    };
    tokio::join!(browser.get("/hold"), jam);
    assert_eq!(browser.get("/sack").await.status, 500);

    let text = log.text();
    let lines = |level: &str| {
        let of = |line: &&str| line.contains(level) && !line.contains(": close") && !line.contains(": new");
        text.lines().filter(of).collect::<Vec<_>>()
    };
    let jams: Vec<_> = lines("WARN").into_iter().filter(|line| line.contains("turn_timeout")).collect();
    assert_eq!(jams.len(), 2, "one for each handler, also where they have one name: {jams:?}");
    says(jams[1], &["handler=\"outcomes::observed::elsewhere::put\""]);
    says(
        jams[0],
        &["an HTTP handler", "handler=\"outcomes::observed::put\"", "states=[\"basket\"]", &of_key],
    );
    let undecodable: Vec<_> = lines("ERROR");
    assert_eq!(undecodable.len(), 1, "{undecodable:?}");
    says(
        undecodable[0],
        &["handler=\"outcomes::observed::sack\"", "cause=invalid type: expected a string", &of_key],
    );
}

/// It is logged once, as the handler's. The call has failed, as one whose answer is a 5xx.
#[tokio::test]
async fn a_panic_while_the_response_is_made_is_the_handlers() {
    let (log, _logging) = Log::begin(Level::INFO);
    let (app, _gate) = application(sessions(MemoryBackend::default()));
    let browser = Client::new(&app);
    browser.get("/put/1").await.ok();
    let of_key = format!("key=\"{}\"", browser.get("/key").await.body);
    assert_eq!(browser.get("/torn").await.status, 500);
    assert_eq!(browser.get("/put/1").await.ok(), "2");

    let text = log.text();
    let errors: Vec<_> = text.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let handler = "handler=\"outcomes::observed::torn\"";
    says(errors[0], &["panicked", handler, "states=[\"basket\"]", &of_key, "cause=as the test wants"]);
    says(&spans(&log, "torn")[0], &["ending=\"failed\"", "committed=false"]);
}

/// Who logs in and out, by the session's key.
#[tokio::test]
async fn new_ids_and_ends_are_lines_of_the_log() {
    let (log, _logging) = Log::begin(Level::INFO);
    let (app, _gate) = application(sessions(MemoryBackend::default()));
    let browser = Client::new(&app);
    browser.get("/put/1").await.ok();
    let of_key = format!("key=\"{}\"", browser.get("/key").await.body);
    browser.post("/login", &[]).await.ok();
    browser.post("/logout", &[]).await.ok();
    let text = log.text();
    let line = |words: &str| text.lines().find(|line| line.contains(words)).expect("a line").to_owned();
    says(&line("a session has a new id"), &["INFO", &of_key]);
    says(&line("a session has ended"), &["INFO", &of_key, "reason=\"logout\""]);
    assert_eq!((log.lines("a session has a new id"), log.lines("a session has ended")), (1, 1));
}

#[tokio::test]
async fn neither_ids_nor_owners_nor_cookies_are_in_what_is_seen_of_a_busy_run() {
    let (log, logging) = Log::begin(Level::TRACE);
    let (app, _gate) = application(sessions(MemoryBackend::default()));
    let mut cookies = Vec::new();
    for _ in 0..5 {
        let browser = Client::new(&app);
        for path in ["/put/1", "/refuse", "/burst", "/sack", "/shared"] {
            browser.get(path).await;
        }
        cookies.push(browser.session());
        browser.post("/login", &[]).await.ok();
        cookies.push(browser.session());
        let mut socket = Socket::connect(&app, Some(&browser.session())).await;
        for event in ["put", "burst"] {
            socket.ask(event, &[]).await;
        }
        browser.post("/logout", &[]).await.ok();
        socket.disconnected("/").await;
    }
    drop(logging);
    let text = log.text();
    assert!(spans(&log, "put").len() >= 5 && spans(&log, "login").len() == 5, "the log is no log");
    assert!(!text.contains("ada-the-owner"), "an owner");
    for cookie in cookies {
        let value = cookie.split_once('=').expect("a cookie").1;
        let id = stores::id(&cookie);
        for secret in [value.to_owned(), id.to_string(), id.0.to_string(), format!("{:x}", id.0)] {
            assert!(!text.contains(&secret), "an id");
        }
    }
}

/// What an extractor refuses does not run: on sockets it is a failure, for the client is told so; over HTTP it is no call.
#[tokio::test]
async fn what_an_extractor_refuses_is_not_taken_for_a_client_that_left() {
    let (log, _logging) = Log::begin(Level::INFO);
    let (app, _gate) = application(sessions(MemoryBackend::default()));
    let browser = Client::new(&app);
    browser.get("/put/1").await.ok();
    let of_key = format!("key=\"{}\"", browser.get("/key").await.body);
    assert_eq!(browser.post("/some", &[("items", "many")]).await.status, 422);
    assert!(spans(&log, "put_some").is_empty());
    browser.post("/some", &[("items", "1")]).await.ok();
    assert_eq!(spans(&log, "put_some").len(), 1);

    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("many", &[json!("a lot")]).await["code"], "bad_argument");
    let failed = ["ending=\"failed\"", "error=\"bad_argument\"", "committed=false"];
    says(&spans(&log, "put_many")[0], &failed);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("WARN") && line.contains("put_many")).expect("a line");
    says(line, &["states=[\"basket\"]", &of_key, "bad_argument"]);

    socket.join("/words").await.expect("CONNECT comes before it");
    socket.disconnected("/words").await;
    says(&spans(&log, "came_with_words")[0], &["ending=\"failed\"", &of_key]);
}

#[tokio::test]
async fn figures_are_recorded_with_few_words_as_labels() {
    let recorder = DebuggingRecorder::new();
    let _recording = set_default_local_recorder(&recorder);
    let (app, gate) =
        application(sessions(MemoryBackend::default()).with_turn_timeout(Duration::from_millis(20)));
    let browser = Client::new(&app);
    for path in ["/put/1", "/put/2", "/refuse", "/burst", "/shared"] {
        browser.get(path).await;
    }
    let jam = async {
        gate.reached().await;
        assert_eq!(browser.get("/put/3").await.status, 503);
        gate.open();
    };
    tokio::join!(browser.get("/hold"), jam);
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    socket.ask("put", &[]).await;
    let held = recorder.snapshotter().snapshot().into_vec();
    browser.post("/logout", &[]).await.ok();
    socket.disconnected("/").await;

    let later = recorder.snapshotter().snapshot().into_vec();
    let value = |all: &[_], name: &str, labels: &[(&str, &str)]| {
        let found =
            all.iter().find_map(|(key, _, _, value): &(metrics_util::CompositeKey, _, _, DebugValue)| {
                let own: Vec<_> = key.key().labels().map(|label| (label.key(), label.value())).collect();
                (key.key().name() == name && own == labels).then(|| match value {
                    DebugValue::Counter(count) => count.to_string(),
                    DebugValue::Gauge(now) => now.to_string(),
                    DebugValue::Histogram(all) => all.len().to_string(),
                })
            });
        found.unwrap_or_else(|| panic!("no {name} {labels:?}"))
    };
    let http = |ending| value(&held, "session_calls_total", &[("kind", "http"), ("ending", ending)]);
    assert_eq!([http("normal"), http("failed"), http("panicked")], ["3", "2", "1"]);
    assert_eq!(value(&held, "session_calls_total", &[("kind", "event"), ("ending", "normal")]), "1");
    assert_eq!(value(&held, "session_errors_total", &[("kind", "turn_timeout")]), "1");
    assert_eq!(value(&held, "session_sockets", &[]), "1");
    assert_eq!(value(&held, "session_waiters", &[]), "0");
    assert_ne!(value(&held, "session_turn_held_seconds", &[("kind", "http")]), "0");
    assert_ne!(value(&held, "session_turn_wait_seconds", &[("kind", "event")]), "0");
    assert_ne!(value(&held, "session_commit_seconds", &[("kind", "shared")]), "0");
    assert_ne!(value(&held, "session_backend_seconds", &[("operation", "load")]), "0");
    assert_eq!(value(&later, "session_sessions_ended_total", &[("reason", "logout")]), "1");
}
