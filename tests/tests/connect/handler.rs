//! No event is lost at connect, and without a session there is no socket.
//!
//! Clauses: 5, 9.

use std::{fmt, time::Duration};

use axum::{Router, extract::State as HttpState, routing::get};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{SocketRef, State, TryData},
    handler::ConnectHandler as _,
};
use socketioxide_session::{StoreBackend, connect_handler, connect_middleware, http_handler, session_alive};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client, Socket},
    fixture::shop::{self, User},
    gate::Gate,
    node::{Connect, OfficialClients, Transport},
    raw::join_frame,
    soak::short_or_long,
    soon,
    stores::{Step, TestStore},
};

#[http_handler(user)]
async fn touch(user: &mut User) {
    user.name = Some(user.name.as_deref().unwrap_or_default().to_owned() + "Ada");
}

#[http_handler(user)]
async fn hold_user(user: &mut User, HttpState(gate): HttpState<Gate>) {
    user.visits += 100;
    gate.pass().await;
}

#[connect_handler(user)]
async fn connected(user: &mut User, socket: SocketRef) {
    shop::listen(&socket);
    user.visits += 1;
    socket.emit("welcome", &user.visits).expect("a connected socket");
}

/// Reads only, beside what is not session state.
#[connect_handler(user)]
async fn readers(user: &User, socket: SocketRef, TryData(auth): TryData<Value>, _gate: State<Gate>) {
    shop::listen(&socket);
    socket
        .emit("welcome", &json!({ "connections": user.visits, "auth": auth.ok() }))
        .expect("a connected socket");
}

#[connect_handler(user)]
async fn failing(user: &mut User) -> Result<(), &'static str> {
    user.visits += 1;
    Err("not today")
}

async fn plain(socket: SocketRef) {
    socket.emit("welcome", "plain").expect("a connected socket");
}

#[derive(Debug)]
struct NoTicket;

impl fmt::Display for NoTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ticket is needed")
    }
}

/// A user's own middleware, which knows nothing of sessions.
async fn ticket(TryData(auth): TryData<Value>) -> Result<(), NoTicket> {
    auth.ok().filter(|auth| auth["ticket"].is_string()).map(|_| ()).ok_or(NoTicket)
}

/// A middleware that writes.
#[connect_middleware(user)]
async fn thrice(user: &mut User) -> Result<(), String> {
    user.visits += 10;
    if user.visits > 30 { Err(format!("{} are too many", user.visits)) } else { Ok(()) }
}

fn namespaces(io: &SocketIo) {
    io.ns("/", connected);
    io.ns("/readers", readers);
    io.ns("/failing", failing);
    io.ns("/ticket", connected.with(ticket));
    io.ns("/thrice", connected.with(thrice));
    io.ns("/alive", plain.with(session_alive));
}

/// Each connection is a visit.
fn app() -> (App, Gate, TestStore) {
    let store = TestStore::default();
    let routes = Router::new().route("/touch", get(touch)).route("/hold-user", get(hold_user));
    let layer = sessions(StoreBackend::new(store.clone()));
    let (app, gate) = shop::open_with(layer, routes, namespaces);
    (app, gate, store)
}

async fn open(app: &App, browser: &Client) -> Socket {
    Socket::open(app, Some(&browser.session())).await.expect("a handshake")
}

fn ten() -> Vec<(&'static str, Value)> {
    (0..10).map(|n| ("push", json!(n))).collect()
}

#[tokio::test]
async fn all_first_events_are_answered_though_the_store_is_slow() {
    let (app, _, store) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    store.slow(Step::Load, Duration::from_millis(short_or_long(50, 500)));
    for namespace in ["/", "/readers"] {
        let mut socket = open(&app, &browser).await;
        socket.join(namespace).await.expect("a connection");
        let mut numbers = Vec::new();
        for (event, value) in ten() {
            numbers.push(socket.ask_later(namespace, event, &[value]).await);
        }
        for number in numbers {
            let items = socket.answer(namespace, number).await;
            assert!(items.is_u64(), "event {number} in {namespace}: {items}");
        }
    }
}

#[tokio::test]
async fn all_first_events_of_official_clients_are_answered_though_the_store_is_slow() {
    let (app, _, store) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    store.slow(Step::Load, Duration::from_millis(short_or_long(50, 500)));
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport).cookie(browser.session())).await;
        let values: Vec<_> = (0..10).map(|n| [json!(n)]).collect();
        let events: Vec<_> = values.iter().map(|values| ("push", &values[..])).collect();
        let answers = socket.ask_all(&events).await;
        assert_eq!(answers.len(), 10);
        assert!(answers.iter().all(Value::is_u64), "{answers:?}");
    }
}

#[tokio::test]
async fn a_connect_handler_waits_for_its_turn_before_connect_is_answered() {
    let (app, gate, _) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let held = browser.get("/hold-user");
    let meanwhile = async {
        gate.reached().await;
        let mut socket = open(&app, &browser).await;
        socket.send(&[join_frame("/")]).await;
        {
            let joined = socket.joined("/");
            tokio::pin!(joined);
            // Others are served meanwhile; this connection waits for the turn.
            client::get(&app, "/visits", None).await.ok();
            assert!(futures_util::poll!(&mut joined).is_pending());
            gate.open();
            joined.await.expect("a connection");
        }
        assert_eq!(socket.event("welcome").await, [json!(101)]);
        assert_eq!(socket.ask("push", &[json!(1)]).await, 1);
    };
    let (answer, ()) = tokio::join!(held, meanwhile);
    assert_eq!(answer.status, 200);
    assert_eq!(browser.get("/visits").await.json(), 101);
}

#[tokio::test]
async fn a_connect_handler_reads_and_takes_other_extractors() {
    let (app, _, _) = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let connect = Connect::to(&app, transport).namespace("/readers").auth(json!({ "token": 1 }));
        let socket = clients.connect(connect).await;
        assert_eq!(socket.event("welcome").await, json!([{ "connections": 0, "auth": { "token": 1 } }]));
    }
}

#[tokio::test]
async fn one_connect_handler_serves_several_namespaces() {
    let (app, _, _) = app();
    let socket = Socket::connect(&app, None).await;
    let auth = r#"{"ticket":"first class"}"#;
    socket.send(&[format!("{}{auth}", join_frame("/ticket"))]).await;
    socket.joined("/ticket").await.expect("a connection");
    assert_eq!(socket.event("welcome").await, [json!(1)]);
    assert_eq!(socket.event("welcome").await, [json!(2)]);
}

#[tokio::test]
async fn a_session_that_cannot_be_had_is_a_connect_error() {
    let (app, _, store) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let socket = open(&app, &browser).await;
    store.break_down(Step::Load);
    let message = socket.join("/").await.expect_err("a connect_error");
    assert!(message.contains("backend"), "{message}");
    assert!(!message.contains("as the test wants"), "a store's own text is nobody's business: {message}");
    store.recover();
    socket.join("/").await.expect("a connection once the store works again");
}

#[tokio::test]
async fn official_clients_get_the_connect_error_too() {
    let (app, _, store) = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let alive = clients.connect(Connect::to(&app, transport).namespace("/readers")).await;
        store.break_down(Step::Load);
        let message = clients.try_connect(Connect::to(&app, transport).over(&alive)).await;
        assert!(message.as_ref().is_err_and(|text| text.contains("backend")), "{message:?}");
        store.recover();
    }
}

#[tokio::test]
async fn an_err_of_the_connect_handler_discards() {
    let (app, _, _) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let socket = open(&app, &browser).await;
    socket.join("/failing").await.expect("a connection");
    assert_eq!(socket.event("session_error").await[0]["error"], "not today");
    assert_eq!(browser.get("/visits").await.json(), 0);
}

#[tokio::test]
async fn a_connect_handler_whose_commit_fails_is_told_and_disconnected() {
    let (app, _, store) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let socket = open(&app, &browser).await;
    store.break_down(Step::Write);
    socket.join("/").await.expect("a connection, for now");
    assert_eq!(socket.event("session_error").await[0]["code"], "outcome_unknown");
    socket.disconnected("/").await;
    store.recover();
    assert_eq!(browser.get("/visits").await.json(), 0);
}

#[tokio::test]
async fn a_client_gone_while_its_connect_handler_waits_releases_the_turn() {
    let (app, gate, _) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let held = browser.get("/hold-user");
    let meanwhile = async {
        gate.reached().await;
        let socket = open(&app, &browser).await;
        socket.send(&[join_frame("/")]).await;
        socket.vanish();
        client::get(&app, "/visits", None).await.ok();
        gate.open();
    };
    let (answer, ()) = tokio::join!(held, meanwhile);
    assert_eq!(answer.status, 200);
    browser.get("/touch").await.ok();
}

#[tokio::test]
async fn a_users_own_middleware_decides_beside_it() {
    let (app, _, _) = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let connect = || Connect::to(&app, transport).namespace("/ticket");
        let refused = clients.try_connect(connect()).await;
        assert_eq!(refused.err().as_deref(), Some("a ticket is needed"));
        let socket = clients.connect(connect().auth(json!({ "ticket": "first class" }))).await;
        assert_eq!(socket.event("welcome").await, json!([1]));
        assert_eq!(socket.ask("push", &[json!(1)]).await, 1);
    }
}

#[tokio::test]
async fn a_middleware_of_ours_commits_or_refuses_and_discards() {
    let (app, _, _) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let socket = open(&app, &browser).await;
    // 10 by the middleware and 1 by the handler.
    socket.join("/thrice").await.expect("a connection");
    assert_eq!(socket.event("welcome").await, [json!(11)]);
    let socket = open(&app, &browser).await;
    socket.join("/thrice").await.expect("a connection");
    assert_eq!(socket.event("welcome").await, [json!(22)]);
    let socket = open(&app, &browser).await;
    assert_eq!(socket.join("/thrice").await, Err("32 are too many".to_owned()));
    assert_eq!(browser.get("/visits").await.json(), 22);
}

#[tokio::test]
async fn session_alive_guards_a_plain_namespace() {
    let (app, _, _) = app();
    let browser = Client::new(&app);
    browser.get("/touch").await.ok();
    let early = open(&app, &browser).await;
    early.join("/alive").await.expect("a connection");
    assert_eq!(early.event("welcome").await, [json!("plain")]);
    // Shakes hands while the session lives, and joins when it is over.
    let late = open(&app, &browser).await;
    browser.get("/flush").await.ok();
    let refusal = soon("an answer", late.join("/alive")).await;
    assert!(refusal.is_err(), "a session that is over");
    early.disconnected("/alive").await;
}
