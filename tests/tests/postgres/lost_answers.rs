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
    records::{SECOND, attributes, begin, create_with, fields, load, milliseconds, set, take, update, value},
    soon,
};
use tokio::time::{sleep, timeout};
use tower_sessions_sqlx_store::sqlx::{self, postgres::PgPoolOptions};

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

/// That its answer is lost shows long after it was carried out, when so many came after it that nobody remembers it.
#[tokio::test]
async fn a_commit_whose_loss_is_noticed_late_undoes_nothing() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 20).await;
    let others = PostgresBackend::new(database.pool().await);
    let id = begin(&others, vec![set("a", 0)]).await;
    proxy.keep_back_an_answer();
    let late =
        tokio::spawn(async move { node.commit(update(id, Lease::default(), vec![set("a", 1)])).await });
    soon("a commit that is in", async {
        while value(&others, id, "a").await != Some(json!(1)) {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
    for n in 2..=20 {
        others.commit(update(id, Lease::default(), vec![set("a", n)])).await.unwrap();
    }
    // Longer than the second by which it is reckoned too early.
    sleep(SECOND * 2).await;
    proxy.lose_what_was_kept_back();
    let late = late.await.unwrap();
    assert!(matches!(late, Err(BackendError::OutcomeUnknown(_))), "{late:?}");
    assert_eq!(value(&others, id, "a").await, Some(json!(20)));
}

/// Another node finds it by its key, and ends it, before it is known here that it began.
#[tokio::test]
async fn a_session_that_ended_does_not_begin_again_because_an_answer_is_lost() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 20).await;
    let others = PostgresBackend::new(database.pool().await);
    let (id, key) = (SessionId::random(), SessionId::random().hidden().to_string());
    proxy.keep_back_an_answer();
    let create = create_with(id, attributes(&key), vec![set("a", 0)]);
    let begins = tokio::spawn(async move { node.commit(create).await });
    soon("a session that has begun", async {
        while load(&others, id).await.unwrap().is_none() {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
    others.commit(Commit::new(id, Action::End)).await.unwrap();
    proxy.lose_what_was_kept_back();
    let begun = begins.await.unwrap();
    assert!(matches!(begun, Err(BackendError::Gone)), "{begun:?}");
    assert!(load(&others, id).await.unwrap().is_none());
}

/// The answer that grants a turn is lost late: the lease is as long as any, from when it is granted again.
#[tokio::test]
async fn a_turn_that_is_granted_again_lasts_as_long() {
    let (proxy, database) = proxy().await;
    let node = node(&proxy, &database, SECOND * 20).await;
    let pool = database.pool().await;
    let id = begin(&node, vec![set("a", 0)]).await;
    let deadline = async || {
        let turns = "SELECT coalesce(max(deadline), 0) FROM socketioxide_session.turns";
        sqlx::query_scalar::<_, i64>(turns).fetch_one(&pool).await.unwrap()
    };
    proxy.keep_back_an_answer();
    let takes = tokio::spawn(async move { take(&node, id, &["a"], SECOND * 10).await.unwrap().is_some() });
    soon("a turn that is granted", async {
        while deadline().await == 0 {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
    let first = deadline().await;
    sleep(milliseconds(20)).await;
    proxy.lose_what_was_kept_back();
    assert!(takes.await.unwrap());
    assert!(deadline().await > first);
}

/// Calls that were cancelled where nothing passes, as by visitors who have gone, leave the pool to others.
#[tokio::test]
async fn what_is_cancelled_on_a_silent_network_holds_up_no_later_call() {
    let (proxy, database) = proxy().await;
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(database.options().socket(&proxy.directory)).await.unwrap();
    let node = PostgresBackend::builder(pool.clone()).with_polling(SECOND * 60).with_timeout(SECOND * 5);
    let node = node.build().unwrap();
    node.migrate().await.unwrap();
    let id = begin(&node, vec![set("a", 0)]).await;
    drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));
    soon("two idle connections", async {
        while pool.num_idle() < 2 {
            sleep(milliseconds(1)).await;
        }
    })
    .await;
    proxy.go(Way::Silent);
    let cancelled = || timeout(milliseconds(300), value(&node, id, "a"));
    let (one, two) = tokio::join!(cancelled(), cancelled());
    assert!(one.is_err() && two.is_err());
    // The connections that were open stay dead.
    proxy.go(Way::OpenForNewOnes);
    node.commit(update(id, Lease::default(), vec![set("a", 2)])).await.unwrap();
    assert_eq!(value(&node, id, "a").await, Some(json!(2)));
}
