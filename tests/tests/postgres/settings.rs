//! Servers, databases and pools that are set otherwise: all holds on them.
//!
//! Clauses: 3, 6, 7, 14.

use std::{
    error::Error as _,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::json;
use socketioxide_session::{
    PostgresBackend,
    backend::{Backend, Lease, SessionId},
};
use socketioxide_session_tests::{
    postgres_server::{self, Database},
    records::{SECOND, begin, fields, milliseconds, set, take, update, value},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_sessions_sqlx_store::sqlx::{
    self,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::races::until_waiting;

async fn node(options: PgConnectOptions, connections: u32) -> PostgresBackend {
    let pool = PgPoolOptions::new().max_connections(connections).connect_with(options).await.unwrap();
    // Whoever waits is woken, or waits for half a minute.
    let builder = PostgresBackend::builder(pool).with_lease(SECOND * 60).with_timeout(SECOND * 20);
    let backend = builder.build().unwrap();
    backend.migrate().await.unwrap();
    backend
}

/// Statements see what was committed before they had the session, also where the server would show them what was there
/// when they began.
#[tokio::test]
async fn who_comes_while_a_turn_ends_is_woken_at_any_isolation() {
    for isolation in ["repeatable\\ read", "serializable"] {
        let database = Database::create().await;
        let pool = database.pool().await;
        let node = node(database.options().options([("default_transaction_isolation", isolation)]), 4).await;
        let id = begin(&node, vec![set("a", 0)]).await;
        let held = take(&node, id, &["a"], SECOND).await.unwrap().unwrap();
        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM socketioxide_session.sessions FOR UPDATE")
            .execute(&mut *other)
            .await
            .unwrap();
        let comes = {
            let node = node.clone();
            tokio::spawn(async move { take(&node, id, &["a"], SECOND * 50).await.unwrap().is_some() })
        };
        until_waiting(&pool, 1).await;
        let ends =
            tokio::spawn(
                async move { node.commit(update(id, held.lease, vec![set("a", 1)])).await.unwrap() },
            );
        until_waiting(&pool, 2).await;
        other.rollback().await.unwrap();
        ends.await.unwrap();
        assert!(timeout(SECOND * 15, comes).await.expect("it is woken").unwrap());
    }
}

/// A hundred calls that wait, on pools of one and of two connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_pools_serve_a_hundred_calls() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let database = Database::create().await;
    let serializable = database.options().options([("default_transaction_isolation", "serializable")]);
    let nodes = [node(database.options(), 1).await, node(serializable, 2).await];
    let id = begin(&nodes[0], vec![set("a", json!({"n": 0}))]).await;
    let mut calls = JoinSet::new();
    for call in 0..100 {
        let node = nodes[call % 2].clone();
        calls.spawn(async move {
            let held = take(&node, id, &["a"], SECOND * 100).await.unwrap().unwrap();
            let n = held.value("a").unwrap().json()["n"].as_u64().unwrap() + 1;
            assert_eq!(LAST.fetch_max(n, Ordering::SeqCst), n - 1, "two had the turn");
            node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await.unwrap();
        });
    }
    calls.join_all().await;
    assert_eq!(value(&nodes[0], id, "a").await, Some(json!({"n": 100})));
}

/// A server that lets nobody wait long for a lock: the call is tried again until it has it.
#[tokio::test]
async fn a_lock_timeout_of_the_server_is_no_error() {
    let database = Database::create().await;
    let pool = database.pool().await;
    let brief = [("lock_timeout", "20"), ("idle_in_transaction_session_timeout", "1000")];
    let node = node(database.options().options(brief), 2).await;
    let id = begin(&node, vec![set("a", 0)]).await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM socketioxide_session.sessions FOR UPDATE").execute(&mut *other).await.unwrap();
    let commits = {
        let node = node.clone();
        tokio::spawn(async move { node.commit(update(id, Lease::default(), vec![set("a", 1)])).await })
    };
    until_waiting(&pool, 1).await;
    sleep(milliseconds(200)).await;
    other.rollback().await.unwrap();
    commits.await.unwrap().unwrap();
    assert_eq!(value(&node, id, "a").await, Some(json!(1)));
}

/// The same of nodes that migrate at one moment.
#[tokio::test]
async fn who_migrates_waits_for_whoever_is_at_it() {
    let database = Database::create().await;
    let pool = database.pool().await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(x'73657373696f6e73'::bigint)")
        .execute(&mut *other)
        .await
        .unwrap();
    let brief = database.options().options([("lock_timeout", "20"), ("statement_timeout", "50")]);
    let migrates = tokio::spawn(node(brief, 2));
    until_waiting(&pool, 1).await;
    sleep(milliseconds(200)).await;
    other.rollback().await.unwrap();
    migrates.await.unwrap();
}

/// Keys are in an index, which has a limit. (Letters in no order, which nothing makes shorter.)
#[tokio::test]
async fn a_key_that_is_too_long_is_a_clear_error() {
    let database = Database::create().await;
    let node = node(database.options(), 2).await;
    let id = begin(&node, vec![set("a", 0)]).await;
    let letters = (0..200).map(|_| SessionId::random().hidden().to_string());
    let key: &'static str = letters.collect::<String>().leak();
    let error = node.commit(update(id, Lease::default(), vec![set("a", 1), set(key, 1)])).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("too long"), "{error:?}");
    assert_eq!(value(&node, id, "a").await, Some(json!(0)));
}

/// What is a key or a value of a session is nothing to the database.
#[tokio::test]
async fn odd_keys_and_large_values_in_any_encoding() {
    let keys =
        ["", "\0", "'; DROP SCHEMA socketioxide_session; --", "\"\\x00\\", "größe", "漢字🦀", "{s}", "$1"];
    let pool = postgres_server::pool().await;
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let name = format!("encoded_{}", encoding.to_lowercase());
        let create = format!("CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0");
        sqlx::query(&create).execute(&pool).await.unwrap();
        let options = postgres_server::options(postgres_server::directory().await).database(&name);
        let odd =
            [("standard_conforming_strings", "off"), ("bytea_output", "escape"), ("search_path", "nowhere")];
        let node = node(options.options(odd), 2).await;
        let id = begin(&node, vec![]).await;
        let large = format!("\u{0}é漢🦀'\"\\{}", "x".repeat(900_000));
        for key in keys {
            let value = json!([key, -0.0, large]);
            node.commit(update(id, Lease::default(), vec![set(key, value)])).await.unwrap();
        }
        for key in keys {
            assert_eq!(value(&node, id, key).await, Some(json!([key, -0.0, large])));
        }
    }
}
