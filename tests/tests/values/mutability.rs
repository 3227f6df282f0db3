//! A value that changes behind a shared reference, or that clones share: what was not committed is read nowhere, and a
//! change is found where a handler writes.
//!
//! Clauses: 5, 6.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use axum::{Json, Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{Error, RedisBackend, SessionLayer, Shared, http_handler, session_state};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
    redis_server::RedisServer,
};

use crate::on_each_backend;

#[session_state]
#[derive(Clone)]
struct Meters {
    name: String,
    shared: Arc<AtomicU32>,
    locked: Arc<Mutex<Vec<u8>>>,
}

impl Meters {
    fn turn(&self) {
        self.shared.fetch_add(1, Ordering::Relaxed);
        self.locked.lock().unwrap().push(1);
    }

    fn show(&self) -> Json<Value> {
        Json(json!([self.shared.load(Ordering::Relaxed), self.locked.lock().unwrap().len()]))
    }
}

/// Without a `Clone`.
#[session_state]
struct Meter {
    turns: AtomicU32,
}

#[http_handler(meters, meter)]
async fn show(meters: &Meters, meter: &Meter) -> Json<Value> {
    Json(json!([meters.show().0, meter.turns.load(Ordering::Relaxed)]))
}

#[http_handler(meters, meter)]
async fn turn(meters: &mut Meters, meter: &mut Meter) {
    meters.turn();
    meter.turns.fetch_add(1, Ordering::Relaxed);
}

#[http_handler(meters, meter)]
async fn turn_while_reading(meters: &Meters, meter: &Meter) {
    meters.turn();
    meter.turns.fetch_add(1, Ordering::Relaxed);
}

#[http_handler(meters, meter)]
async fn turn_and_fail(meters: &mut Meters, meter: &mut Meter) -> StatusCode {
    "failed".clone_into(&mut meters.name);
    meters.turn();
    meter.turns.fetch_add(1, Ordering::Relaxed);
    StatusCode::INTERNAL_SERVER_ERROR
}

/// What the handler keeps of its state goes on changing.
#[http_handler(meters)]
async fn turn_later(meters: &mut Meters) {
    meters.name.push('x');
    let (shared, locked) = (Arc::clone(&meters.shared), Arc::clone(&meters.locked));
    tokio::spawn(async move {
        shared.store(1000, Ordering::Relaxed);
        locked.lock().unwrap().clear();
    });
}

async fn turn_a_copy(meters: Shared<Meters>) -> Result<(), Error> {
    meters.read().await?.turn();
    Ok(())
}

fn app(layer: SessionLayer) -> App {
    let routes = Router::new()
        .route("/show", get(show))
        .route("/turn", get(turn))
        .route("/turn-while-reading", get(turn_while_reading))
        .route("/turn-and-fail", get(turn_and_fail))
        .route("/turn-later", get(turn_later))
        .route("/turn-a-copy", get(turn_a_copy));
    App::new(routes.layer(layer))
}

#[tokio::test]
async fn only_what_a_writer_commits_is_read() {
    let server = RedisServer::start().await;
    let cached = RedisBackend::connect(server.url()).await.unwrap().with_read_cache(10).unwrap();
    let cached = [("Redis with a read cache", sessions(cached))];
    for (name, layer) in on_each_backend(&server).await.into_iter().chain(cached) {
        let app = app(layer);
        let visitor = Client::new(&app);
        let shows = async |count: u32| {
            let shown = visitor.get("/show").await.json();
            assert_eq!(shown, json!([[count, count], count]), "{name}");
        };
        shows(0).await;
        for count in 1..4 {
            visitor.get("/turn").await.ok();
            shows(count).await;
            visitor.get("/turn-while-reading").await.ok();
            shows(count).await;
            assert_eq!(visitor.get("/turn-and-fail").await.status, 500);
            shows(count).await;
            visitor.get("/turn-later").await.ok();
            tokio::task::yield_now().await;
            shows(count).await;
            visitor.get("/turn-a-copy").await.ok();
            shows(count).await;
        }
    }
}
