//! Handlers over several states in every order, on several threads: all finish, and no turn is given twice.
//!
//! Clauses: 3.

use std::time::{Duration, Instant};

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{Error, MemoryBackend, Shared, http_handler};
use socketioxide_session_tests::{
    app::sessions,
    client::Client,
    fixture::shop::{Counter as A, Left as B, Right as C},
    soak::short_or_long,
};
use tokio::{task::yield_now, time::timeout};

const TASKS: u32 = 40;

/// Far above what the turns take, and below the wait for a turn, which would end a deadlock.
fn patience() -> Duration {
    short_or_long(Duration::from_secs(100), Duration::from_mins(20))
}

#[http_handler(a, b)]
async fn a_and_b(a: &mut A, b: &mut B) {
    let before = (a.count, b.one);
    yield_now().await;
    (a.count, b.one) = (before.0 + 1, before.1 + 1);
}

#[http_handler(b, a)]
async fn b_and_a(b: &mut B, a: &mut A) {
    let before = (a.count, b.one);
    yield_now().await;
    (a.count, b.one) = (before.0 + 1, before.1 + 1);
}

#[http_handler(a, c)]
async fn a_and_c(a: &mut A, c: &mut C) {
    let before = (a.count, c.one);
    yield_now().await;
    (a.count, c.one) = (before.0 + 1, before.1 + 1);
}

#[http_handler(b)]
async fn only_b(b: &mut B) {
    let before = b.one;
    yield_now().await;
    b.one = before + 1;
}

/// Reads the one and writes the other.
#[http_handler(c, a)]
async fn read_c_and_a(c: &C, a: &mut A) {
    let before = a.count;
    yield_now().await;
    a.count = before + 1;
    let _ = c.one;
}

async fn shared_b(b: Shared<B>, c: Shared<C>) -> Result<(), Error> {
    b.read().await?;
    yield_now().await;
    b.update(|b| b.one += 1).await?;
    c.update(|c| c.one += 1).await
}

#[http_handler(a, b, c)]
async fn turns(a: &A, b: &B, c: &C) -> Json<Value> {
    Json(json!([a.count, b.one, c.one]))
}

/// The handlers, and which of the three states each writes.
const HANDLERS: [(&str, [u32; 3]); 6] = [
    ("/a-and-b", [1, 1, 0]),
    ("/b-and-a", [1, 1, 0]),
    ("/a-and-c", [1, 0, 1]),
    ("/only-b", [0, 1, 0]),
    ("/read-c-and-a", [1, 0, 0]),
    ("/shared-b", [0, 1, 1]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handlers_over_overlapping_states_all_finish() {
    let routes = Router::new()
        .route("/a-and-b", get(a_and_b))
        .route("/b-and-a", get(b_and_a))
        .route("/a-and-c", get(a_and_c))
        .route("/only-b", get(only_b))
        .route("/read-c-and-a", get(read_c_and_a))
        .route("/shared-b", get(shared_b))
        .route("/turns", get(turns));
    let layer =
        sessions(MemoryBackend::default()).with_turn_timeout(2 * patience()).with_turn_limit(2 * patience());
    let client = Client::of(routes.layer(layer));
    client.get("/only-b").await.ok();
    let (mut expected, all) = ([0, 1, 0], short_or_long(6_000, 300_000));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let calls: Vec<_> = (task..all)
            .step_by(TASKS as usize)
            .map(|turn| HANDLERS[(turn + turn / 7) as usize % 6])
            .collect();
        for (_, writes) in &calls {
            for (sum, add) in expected.iter_mut().zip(writes) {
                *sum += add;
            }
        }
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            for (path, _) in calls {
                client.get(path).await.ok();
            }
        }));
    }
    for task in tasks {
        timeout(patience(), task).await.expect("no deadlock").expect("a task without a fault");
    }
    let took = began.elapsed();
    println!("{all} turns in {took:.1?}, {:.0} a second", f64::from(all) / took.as_secs_f64());
    assert_eq!(client.get("/turns").await.json(), json!(expected));
}
