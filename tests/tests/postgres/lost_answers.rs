//! A commit whose answer is lost is sent again, and carried out once.
//!
//! Clauses: 6, 14.

use std::time::Duration;

use serde_json::json;
use socketioxide_session::{
    PostgresBackend,
    backend::{Action, Backend, BackendError, Commit, Lease, SessionId},
};
use socketioxide_session_tests::{
    postgres_server::{self, Database},
    records::{SECOND, begin, fields, milliseconds, set, take, update, value},
    soon,
};
use tokio::time::{sleep, timeout};
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions;

use crate::{
    processes::somebody_waits,
    proxy::{Proxy, Way},
};

/// A proxy, and what is behind it: nobody else uses that database.
async fn proxy() -> (Proxy, Database) {
    let proxy = Proxy::before(postgres_server::directory().await);
    (proxy, Database::create().await)
}

/// A node whose calls go through it, and take so long at most. What it hears of others does not.
async fn node(proxy: &Proxy, database: &Database, timeout: Duration) -> PostgresBackend {
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(database.options().socket(&proxy.directory)).await.unwrap();
    let direct = database.options();
    let builder = PostgresBackend::builder(pool).with_lease(SECOND * 60).with_listener(direct);
    let backend = builder.with_timeout(timeout).build().unwrap();
    backend.migrate().await.unwrap();
    backend
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_carried_out_once() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 60).await;
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    for n in 1..=5 {
        let held = take(&node, id, &["a"], SECOND * 30).await.unwrap().unwrap();
        assert_eq!(held.value("a").unwrap().json(), &json!({"n": n - 1}));
        proxy.swallow_commits(n % 3);
        node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await.unwrap();
        assert!(proxy.all_swallowed());
    }
    assert_eq!(value(&node, id, "a").await, Some(json!({"n": 5})));
}

#[tokio::test]
async fn a_session_begins_changes_its_id_and_ends_once_though_answers_are_lost() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 60).await;
    proxy.swallow_commits(1);
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    let new = SessionId::random();
    for commit in [Commit::new(id, Action::ChangeId(new)), Commit::new(new, Action::End)] {
        proxy.swallow_commits(1);
        node.commit(commit).await.unwrap();
        assert!(proxy.all_swallowed());
    }
    let again = node.commit(Commit::new(new, Action::End)).await;
    assert!(matches!(again, Err(BackendError::Gone)), "{again:?}");
}

#[tokio::test]
async fn where_no_answer_comes_it_is_not_known_whether_it_was_saved() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 3).await;
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    proxy.swallow_commits(u32::MAX);
    let unknown = node.commit(update(id, Lease::default(), vec![set("a", json!({"n": 1}))])).await;
    assert!(matches!(unknown, Err(BackendError::OutcomeUnknown(_))), "{unknown:?}");
    proxy.swallow_commits(0);
    assert_eq!(value(&node, id, "a").await, Some(json!({"n": 1})));
}

/// A network that drops everything and says nothing: calls fail in time, and the pool is not used up by those that failed.
#[tokio::test]
async fn what_a_silent_network_swallowed_holds_up_no_later_call() {
    let (proxy, database) = proxy().await;
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(database.options().socket(&proxy.directory)).await.unwrap();
    let node = PostgresBackend::builder(pool.clone()).with_polling(SECOND * 60).with_timeout(SECOND);
    let node = node.build().unwrap();
    node.migrate().await.unwrap();
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    // Both connections are there, and nobody uses them.
    drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));
    soon("two idle connections", async {
        while pool.num_idle() < 2 {
            sleep(milliseconds(1)).await;
        }
    })
    .await;
    proxy.go(Way::Silent);
    let commit = || node.commit(update(id, Lease::default(), vec![set("a", json!({"n": 1}))]));
    for silent in <[_; 2]>::from(tokio::join!(commit(), commit())) {
        assert!(
            matches!(silent, Err(BackendError::OutcomeUnknown(_) | BackendError::Failed(_))),
            "{silent:?}"
        );
    }
    // The connections that were open stay dead, as those do whose other end is gone without a word.
    proxy.go(Way::OpenForNewOnes);
    node.commit(update(id, Lease::default(), vec![set("a", json!({"n": 2}))])).await.unwrap();
    assert_eq!(value(&node, id, "a").await, Some(json!({"n": 2})));
}

/// Who waits here for the turn is told of it by the answer to the commit: or by that to its second sending.
#[tokio::test]
async fn a_commit_that_is_sent_again_wakes_who_waits() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 60).await;
    for end in [false, true] {
        let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
        let held = take(&node, id, &["a"], SECOND).await.unwrap().unwrap();
        let waits = {
            let node = node.clone();
            tokio::spawn(async move { take(&node, id, &["a"], SECOND * 50).await.unwrap().is_some() })
        };
        somebody_waits(&database.pool().await).await;
        proxy.swallow_commits(1);
        let commit =
            if end { Commit::new(id, Action::End) } else { update(id, held.lease, vec![set("a", 1)]) };
        node.commit(commit).await.unwrap();
        // Else it looks again when half a lease is over.
        assert_eq!(timeout(SECOND * 10, waits).await.unwrap().unwrap(), !end);
    }
}

/// However many commits came before it: under a lease it can be told that it did not take place.
#[tokio::test]
async fn a_commit_that_did_not_get_through_is_made_among_many_others() {
    let (proxy, database) = proxy().await;
    let id = begin(&node(&proxy, &database, SECOND * 60).await, vec![set("a", json!({"n": 0}))]).await;
    let others = PostgresBackend::new(database.pool().await);
    for n in 1..=3 {
        // A pool of its own, on whose connections nobody has committed yet.
        let node = node(&proxy, &database, SECOND * 60).await;
        let held = take(&node, id, &["a"], SECOND * 30).await.unwrap().unwrap();
        for at in 0..20 {
            others.commit(update(id, Lease::default(), vec![set("b", at)])).await.unwrap();
        }
        proxy.swallow_requests(1);
        node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await.unwrap();
        assert!(proxy.all_swallowed());
    }
    assert_eq!(value(&others, id, "a").await, Some(json!({"n": 3})));
}
