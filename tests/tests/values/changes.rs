//! Only what changed is written.
//!
//! Clauses: 7.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::Data;
use socketioxide_session::{
    Backend, EventRouter, MemoryBackend, Session, StoreBackend, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    gate::Gate,
    stores::TestStore,
};

/// The application as it was. States of its own, here and below: two builds of one state.
mod old {
    use super::{Data, http_handler, session_state, socket_handler};

    #[session_state(key = "user")]
    pub(super) struct User {
        name: Option<String>,
        visits: u32,
    }

    #[http_handler(user)]
    pub(super) async fn visit(user: &mut User) {
        user.visits += 1;
    }

    #[socket_handler(user)]
    pub(super) async fn rename(user: &mut User, Data(name): Data<Option<String>>) {
        user.name = name;
    }
}

/// The application as it is now, with more fields.
mod new {
    use super::{BTreeMap, Json, Query, Value, http_handler, json, session_state};

    #[session_state(key = "user")]
    pub(super) struct User {
        name: Option<String>,
        visits: u32,
        theme: String,
        tags: BTreeMap<String, u32>,
        #[session(default = Some("London".to_owned()))]
        town: Option<String>,
    }

    #[http_handler(user)]
    pub(super) async fn dress(user: &mut User) {
        user.theme = "dark".into();
    }

    #[http_handler(user)]
    pub(super) async fn leave_town(user: &mut User) {
        user.town = None;
    }

    #[http_handler(user)]
    pub(super) async fn tag(user: &mut User, Query(tags): Query<BTreeMap<String, u32>>) {
        user.tags = tags;
    }

    #[http_handler(user)]
    pub(super) async fn read(user: &User) -> Json<Value> {
        Json(json!([user.name, user.visits, user.theme, user.tags, user.town]))
    }
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    value: String,
}

async fn plain_insert(session: Session, Query(pair): Query<Pair>) {
    session.insert(&pair.key, pair.value).await.expect("a session that takes values");
}

async fn plain_read(session: Session) -> Json<Option<Value>> {
    Json(session.get_value("user").await.expect("a session that loads"))
}

async fn plain_remove(session: Session, Query(pair): Query<Pair>) {
    session.remove_value(&pair.key).await.expect("a session that gives values");
}

/// Loads everything, waits, and writes one key.
async fn plain_slow_insert(session: Session, State(gate): State<Gate>, Query(pair): Query<Pair>) {
    session.get_value("user").await.expect("a session that loads");
    gate.pass().await;
    session.insert(&pair.key, pair.value).await.expect("a session that takes values");
}

fn connected() -> EventRouter {
    EventRouter::new().on("rename", old::rename)
}

fn app() -> (App, Gate, TestStore) {
    let (gate, store) = (Gate::default(), TestStore::default());
    (serve(StoreBackend::new(store.clone()), gate.clone()), gate, store)
}

fn serve(backend: impl Backend, gate: Gate) -> App {
    let routes = Router::new()
        .route("/visit", get(old::visit))
        .route("/dress", get(new::dress))
        .route("/leave-town", get(new::leave_town))
        .route("/tag", get(new::tag))
        .route("/read", get(new::read))
        .route("/plain/insert", get(plain_insert))
        .route("/plain/read", get(plain_read))
        .route("/plain/remove", get(plain_remove))
        .route("/plain/slow-insert", get(plain_slow_insert));
    App::new(with_sockets(routes, gate, |io| io.ns("/", connected())).layer(sessions(backend)))
}

#[tokio::test]
async fn fields_that_an_older_build_does_not_know_survive() {
    let (app, _, _) = app();
    let browser = Client::new(&app);
    browser.get("/dress").await.ok();
    browser.get("/visit").await.ok();
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("rename", &[json!("Ada")]).await, Value::Null);
    assert_eq!(browser.get("/read").await.json(), json!(["Ada", 1, "dark", {}, "London"]));
}

#[tokio::test]
async fn only_the_changed_fields_are_written() {
    let (app, _, store) = app();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    // What this build would write differently if it wrote the whole state.
    store.put(&cookie, "user", json!({ "visits": 1, "theme": "dark", "from the future": [1, 2] }));
    browser.get("/visit").await.ok();
    let stored = store.stored(&cookie, "user");
    assert_eq!(stored["visits"], 2);
    assert_eq!(stored["theme"], "dark");
    assert_eq!(stored["from the future"], json!([1, 2]));
}

#[tokio::test]
async fn in_memory_a_plain_session_sees_the_fields_that_were_written_and_no_more() {
    let app = serve(MemoryBackend::default(), Gate::default());
    let browser = Client::new(&app);
    let steps = [
        ("/visit", json!({ "visits": 1 })),
        ("/dress", json!({ "visits": 1, "theme": "dark" })),
        ("/tag?a=1", json!({ "visits": 1, "theme": "dark", "tags": { "a": 1 } })),
        ("/visit", json!({ "visits": 2, "theme": "dark", "tags": { "a": 1 } })),
        ("/plain/insert?key=other&value=kept", json!({ "visits": 2, "theme": "dark", "tags": { "a": 1 } })),
        ("/tag", json!({ "visits": 2, "theme": "dark", "tags": {} })),
        ("/leave-town", json!({ "visits": 2, "theme": "dark", "tags": {}, "town": null })),
    ];
    for (path, stored) in steps {
        browser.get(path).await.ok();
        assert_eq!(browser.get("/plain/read").await.json(), stored, "{path}");
    }
    assert_eq!(browser.get("/read").await.json(), json!([null, 2, "dark", {}, null]));
}

#[tokio::test]
async fn keys_of_others_survive() {
    let (app, _, store) = app();
    let browser = Client::new(&app);
    browser.get("/plain/insert?key=other&value=kept").await.ok();
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    socket.ask("rename", &[json!("Ada")]).await;
    assert_eq!(store.stored(&cookie, "other"), "kept");
    assert_eq!(browser.get("/read").await.json(), json!(["Ada", 1, "", {}, "London"]));
}

#[tokio::test]
async fn a_value_that_becomes_none_is_none() {
    let (app, _, _) = app();
    let browser = Client::new(&app);
    browser.get("/dress").await.ok();
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    socket.ask("rename", &[json!("Ada")]).await;
    socket.ask("rename", &[json!(null)]).await;
    browser.get("/leave-town").await.ok();
    assert_eq!(browser.get("/read").await.json(), json!([null, 0, "dark", {}, null]));
}

#[tokio::test]
async fn what_is_removed_inside_a_field_is_gone() {
    let (app, _, _) = app();
    let browser = Client::new(&app);
    browser.get("/tag?a=1&b=2").await.ok();
    browser.get("/tag?b=2").await.ok();
    assert_eq!(browser.get("/read").await.json()[3], json!({ "b": 2 }));
    browser.get("/tag").await.ok();
    assert_eq!(browser.get("/read").await.json()[3], json!({}));
}

#[tokio::test]
async fn a_plain_session_writes_only_the_keys_it_changed() {
    let (app, gate, store) = app();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let slow = browser.get("/plain/slow-insert?key=slow&value=1");
    let meanwhile = async {
        gate.reached().await;
        browser.get("/visit").await.ok();
        browser.get("/plain/insert?key=quick&value=2").await.ok();
        let mut socket = Socket::connect(&app, Some(&cookie)).await;
        socket.ask("rename", &[json!("Ada")]).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(slow, meanwhile);
    assert_eq!(answer.status, 200);
    assert_eq!(browser.get("/read").await.json(), json!(["Ada", 2, "", {}, "London"]));
    assert_eq!(store.stored(&cookie, "slow"), "1");
    assert_eq!(store.stored(&cookie, "quick"), "2");
}

#[tokio::test]
async fn the_last_of_two_plain_sessions_wins_a_key() {
    let (app, gate, store) = app();
    let browser = Client::new(&app);
    browser.get("/plain/insert?key=a&value=first").await.ok();
    let slow = browser.get("/plain/slow-insert?key=a&value=slow");
    let meanwhile = async {
        gate.reached().await;
        browser.get("/plain/insert?key=a&value=quick").await.ok();
        gate.open();
    };
    let (answer, ()) = tokio::join!(slow, meanwhile);
    assert_eq!(answer.status, 200);
    assert_eq!(store.stored(&browser.session(), "a"), "slow");
}

#[tokio::test]
async fn a_plain_session_brings_back_nothing_that_was_removed_meanwhile() {
    let (app, gate, store) = app();
    let browser = Client::new(&app);
    browser.get("/plain/insert?key=a&value=1").await.ok();
    let slow = browser.get("/plain/slow-insert?key=b&value=2");
    let meanwhile = async {
        gate.reached().await;
        browser.get("/plain/remove?key=a&value=").await.ok();
        gate.open();
    };
    let (answer, ()) = tokio::join!(slow, meanwhile);
    assert_eq!(answer.status, 200);
    let cookie = browser.session();
    assert_eq!(store.stored(&cookie, "a"), Value::Null);
    assert_eq!(store.stored(&cookie, "b"), "2");
}
