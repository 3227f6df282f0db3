//! Turns across nodes.
//!
//! Clauses: 3, 4, 14.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use socketioxide_session::{
    RedisBackend,
    backend::{Backend, BackendError, Keys, Load, SessionId},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::node;
use socketioxide_session_tests::{
    records::{SECOND, begin, fields, milliseconds, set, take, update, value},
    redis_server::RedisServer,
};

/// Waits for turns on a task of its own; gives them back at once, and says when that was.
fn waiter(backend: &RedisBackend, id: SessionId, turns: &'static [&'static str]) -> JoinHandle<Instant> {
    let backend = backend.clone();
    tokio::spawn(async move {
        let loaded = take(&backend, id, turns, SECOND * 20).await.unwrap().unwrap();
        let at = Instant::now();
        backend.release(id, loaded.lease).await;
        at
    })
}

/// Time enough for a call to stand in Redis's line.
async fn in_line() {
    sleep(milliseconds(50)).await;
}

#[tokio::test]
async fn a_waiter_on_another_node_is_woken() {
    let server = RedisServer::start().await;
    let (one, two) =
        (node(&server).await.with_lease(SECOND * 10), node(&server).await.with_lease(SECOND * 10));
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let waits = waiter(&two, id, &["a"]);
    in_line().await;
    assert!(!waits.is_finished());
    // A turn of another state is free.
    timeout(milliseconds(500), waiter(&two, id, &["b"])).await.unwrap().unwrap();
    let ended = Instant::now();
    one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
    let took = waits.await.unwrap() - ended;
    println!("a waiter on another node was woken after {took:?}");
    assert!(took < milliseconds(500), "it polled, or waited for the end of the lease: {took:?}");
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let waits = waiter(&two, id, &["a"]);
    in_line().await;
    let ended = Instant::now();
    one.release(id, held.lease).await;
    assert!(waits.await.unwrap() - ended < milliseconds(500));
}

#[tokio::test]
async fn turns_come_in_the_order_of_asking_all_or_none() {
    let server = RedisServer::start().await;
    let (one, two) = (node(&server).await, node(&server).await);
    let id = begin(&one, vec![]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let both = waiter(&two, id, &["a", "b"]);
    in_line().await;
    // `b` is free, but somebody who came earlier wants it.
    let later = waiter(&one, id, &["b"]);
    in_line().await;
    let last = waiter(&one, id, &["a"]);
    in_line().await;
    assert!(!both.is_finished() && !later.is_finished() && !last.is_finished());
    one.release(id, held.lease).await;
    let (both, later, last) = (both.await.unwrap(), later.await.unwrap(), last.await.unwrap());
    assert!(both < later && both < last);
    assert!(last.elapsed() < SECOND);
}

#[tokio::test]
async fn who_gives_up_leaves_the_line() {
    let server = RedisServer::start().await;
    let (one, two) =
        (node(&server).await.with_lease(SECOND * 10), node(&server).await.with_lease(SECOND * 10));
    let id = begin(&one, vec![]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    // One whose time is up, and one that is cancelled.
    let late = take(&two, id, &["a", "b"], milliseconds(100)).await;
    assert!(matches!(late, Err(BackendError::TurnTimeout)));
    let cancelled = timeout(milliseconds(100), take(&two, id, &["a", "b"], SECOND)).await;
    assert!(cancelled.is_err());
    in_line().await;
    timeout(milliseconds(500), waiter(&two, id, &["b"])).await.unwrap().unwrap();
    one.release(id, held.lease).await;
    // Cancelled at every moment, also when the turn is granted already: it does not stay with nobody.
    for pause in 0..40 {
        let asked = take(&two, id, &["a"], SECOND);
        timeout(Duration::from_micros(pause * 25), asked).await.ok().map(|done| {
            let (two, lease) = (two.clone(), done.unwrap().unwrap().lease);
            tokio::spawn(async move { two.release(id, lease).await })
        });
    }
    timeout(milliseconds(500), waiter(&one, id, &["a"])).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_turn_is_renewed_while_it_is_held() {
    let server = RedisServer::start().await;
    let (one, two) = (node(&server).await, node(&server).await);
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let waits = waiter(&two, id, &["a"]);
    sleep(SECOND * 3).await;
    assert!(!waits.is_finished());
    one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
    waits.await.unwrap();
}

#[tokio::test]
async fn a_turn_passes_on_when_it_was_held_too_long() {
    let server = RedisServer::start().await;
    let (one, two) = (node(&server).await.with_lease(SECOND * 10), node(&server).await);
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    let mut load = Load::read(Keys::All);
    (load.turns, load.wait, load.hold) = (&["a"], SECOND, milliseconds(300));
    let begun = Instant::now();
    let held = one.load(id, load).await.unwrap().unwrap();
    let took = waiter(&two, id, &["a"]).await.unwrap() - begun;
    assert!((milliseconds(290)..milliseconds(800)).contains(&took), "{took:?}");
    let late = one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await;
    assert!(matches!(late, Err(BackendError::TurnLost)));
    assert_eq!(value(&two, id, "a").await, Some(json!({"n": 0})));
}

/// A node on a runtime of its own takes a turn. Then its process stops: with the runtime all its tasks are gone.
fn take_and_die(url: String, id: SessionId) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let dead = RedisBackend::connect(url).await.unwrap().with_lease(SECOND);
            take(&dead, id, &["a"], SECOND).await.unwrap().unwrap();
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
}

#[tokio::test]
async fn the_turn_of_a_dead_node_passes_on_within_the_lease() {
    let server = RedisServer::start().await;
    let one = node(&server).await;
    let id = begin(&one, vec![]).await;
    take_and_die(server.url(), id);
    let died = Instant::now();
    let took = waiter(&one, id, &["a"]).await.unwrap() - died;
    println!("the turn of a dead node was taken over after {took:?}, of a lease of 1 s");
    assert!(took < SECOND + milliseconds(300), "{took:?}");
}

#[tokio::test]
async fn a_node_that_dies_in_line_holds_up_nobody() {
    let server = RedisServer::start().await;
    let one = node(&server).await;
    let id = begin(&one, vec![]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let url = server.url();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let dead = RedisBackend::connect(url).await.unwrap().with_lease(SECOND);
            let waits = waiter(&dead, id, &["a"]);
            in_line().await;
            assert!(!waits.is_finished());
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
    let waits = waiter(&one, id, &["a"]);
    in_line().await;
    let ended = Instant::now();
    one.release(id, held.lease).await;
    assert!(waits.await.unwrap() - ended < SECOND + milliseconds(300));
}

#[tokio::test]
async fn a_node_that_slept_past_its_lease_is_refused() {
    let server = RedisServer::start().await;
    let one = node(&server).await;
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    for somebody_waits in [true, false] {
        let url = server.url();
        let sleeper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let node = RedisBackend::connect(url).await.unwrap().with_lease(SECOND);
                let held = take(&node, id, &["a"], SECOND).await.unwrap().unwrap();
                // The whole node stands still, as under SIGSTOP.
                std::thread::sleep(SECOND * 2);
                node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(99)))])])).await
            })
        });
        sleep(milliseconds(300)).await;
        if somebody_waits {
            let held = take(&one, id, &["a"], SECOND * 5).await.unwrap().unwrap();
            one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
        }
        let late = tokio::task::spawn_blocking(|| sleeper.join().unwrap()).await.unwrap();
        assert!(matches!(late, Err(BackendError::TurnLost)), "{late:?}");
        assert_eq!(value(&one, id, "a").await, Some(json!({"n": 1})));
    }
}

/// Two nodes, 16 tasks on each: nobody starves, nothing is lost, and each turn costs two round trips if nobody
/// must wait.
#[tokio::test]
async fn increments_on_two_nodes_are_all_counted() {
    let server = RedisServer::start().await;
    let nodes = [node(&server).await, node(&server).await];
    let id = begin(&nodes[0], vec![set("a", json!({"n": 0}))]).await;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32 {
        let node = Arc::new(nodes[task % 2].clone());
        tasks.spawn(async move {
            for _ in 0..20 {
                let loaded = take(&*node, id, &["a"], SECOND * 30).await.unwrap().unwrap();
                let n = loaded.value("a").unwrap().json()["n"].as_u64().unwrap();
                node.commit(update(id, loaded.lease, vec![fields("a", [("n", Some(json!(n + 1)))])]))
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    println!("640 increments by 32 tasks on two nodes took {:?}", begun.elapsed());
    assert_eq!(value(&nodes[0], id, "a").await, Some(json!({"n": 640})));
    // Nothing is left of the lines and leases.
    let left = server.keys("*:turns").await;
    assert!(left.is_empty(), "{left:?}");
}
