//! Turns across nodes, and commits whose connection is lost.
//!
//! Clauses: 3, 4, 5, 14.

use serde_json::json;
use socketioxide_session::backend::{Backend, BackendError, Keys, Load, SessionId};
use socketioxide_session_tests::{
    postgres_server,
    records::{SECOND, begin, fields, milliseconds, set, take, update, value},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{node, patient_node};

#[tokio::test]
async fn a_waiter_on_another_node_is_woken() {
    let (one, two) = (patient_node().await, patient_node().await);
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    // Both listen by now.
    drop(one.listen(id).await.unwrap());
    drop(two.listen(id).await.unwrap());
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let waits = {
        let two = two.clone();
        tokio::spawn(async move { take(&two, id, &["a"], SECOND * 20).await.unwrap().unwrap() })
    };
    // A turn of another state is free.
    timeout(SECOND * 5, take(&two, id, &["b"], SECOND)).await.unwrap().unwrap().unwrap();
    sleep(milliseconds(300)).await;
    assert!(!waits.is_finished());
    let ended = Instant::now();
    one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
    let next = waits.await.unwrap();
    assert_eq!(next.value("a").unwrap().json(), &json!({"n": 1}));
    assert!(
        ended.elapsed() < SECOND * 3,
        "it polled, or waited for the end of the lease: {:?}",
        ended.elapsed()
    );
    // A late commit under the lease that has ended.
    let late = one.commit(update(id, held.lease, vec![set("a", 9)])).await;
    assert!(matches!(late, Err(BackendError::TurnLost)));
}

#[tokio::test]
async fn a_turn_passes_on_when_it_was_held_too_long() {
    let (one, two) = (patient_node().await, node().await);
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    let mut load = Load::read(Keys::All);
    (load.turns, load.wait, load.hold) = (&["a"], SECOND, milliseconds(300));
    let held = one.load(id, load).await.unwrap().unwrap();
    take(&two, id, &["a"], SECOND * 20).await.unwrap().unwrap();
    let late = one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await;
    assert!(matches!(late, Err(BackendError::TurnLost)));
    assert_eq!(value(&two, id, "a").await, Some(json!({"n": 0})));
}

/// A node on a runtime of its own takes a turn; with the runtime all its tasks are gone, and nobody renews the lease.
fn take_and_die(id: SessionId) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        take(&node().await, id, &["a"], SECOND).await.unwrap().unwrap();
    });
    runtime.shutdown_background();
}

#[tokio::test]
async fn the_turn_of_a_dead_node_passes_on_within_the_lease() {
    let other = node().await;
    let id = begin(&other, vec![]).await;
    tokio::task::spawn_blocking(move || take_and_die(id)).await.unwrap();
    let begun = Instant::now();
    take(&other, id, &["a"], SECOND * 30).await.unwrap().unwrap();
    assert!(begun.elapsed() < SECOND * 5, "{:?}", begun.elapsed());
}

/// Eight writers on two nodes count, while connections are cut: what was told is counted, and counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_counted_once_while_connections_are_cut() {
    let nodes = [patient_node().await, patient_node().await];
    let id = begin(&nodes[0], vec![set("a", json!({"n": 0}))]).await;
    let pool = postgres_server::pool().await;
    let cuts = tokio::spawn(async move {
        loop {
            sleep(milliseconds(50)).await;
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%socketioxide_session%' LIMIT 2";
            tower_sessions_sqlx_store::sqlx::query(cut).execute(&pool).await.ok();
        }
    });
    let mut writers = JoinSet::new();
    for number in 0..8 {
        let node = nodes[number % 2].clone();
        writers.spawn(async move {
            let (mut told, mut open) = (0, 0);
            for _ in 0..15 {
                let Ok(loaded) = take(&node, id, &["a"], SECOND * 30).await else { continue };
                let loaded = loaded.unwrap();
                let n = loaded.value("a").unwrap().json()["n"].as_u64().unwrap() + 1;
                let changes = vec![fields("a", [("n", Some(json!(n)))])];
                match node.commit(update(id, loaded.lease, changes)).await {
                    Ok(()) => told += 1,
                    Err(error) => {
                        open += u64::from(matches!(error, BackendError::OutcomeUnknown(_)));
                        node.release(id, loaded.lease).await;
                    }
                }
            }
            (told, open)
        });
    }
    let (mut told, mut open) = (0, 0);
    while let Some(done) = writers.join_next().await {
        let (more, unknown) = done.unwrap();
        (told, open) = (told + more, open + unknown);
    }
    cuts.abort();
    let counted = loop {
        if let Ok(Some(loaded)) = nodes[0].load(id, Load::read(Keys::All)).await {
            break loaded.value("a").unwrap().json()["n"].as_u64().unwrap();
        }
    };
    println!("{told} told, {open} open, {counted} counted");
    assert!(
        told > 0 && (told..=told + open).contains(&counted),
        "{told} told, {open} open, {counted} counted"
    );
}
