//! Commits that are carried out once, although their answer is lost.
//!
//! Clauses: 6, 14.

use std::time::Duration;

use serde_json::json;
use socketioxide_session::{
    RedisBackend,
    backend::{Action, Backend, BackendError, Keys, Load, SessionId},
};
use tokio::time::{Instant, sleep};

use crate::{node, proxy::Proxy};
use socketioxide_session_tests::{
    records::{SECOND, begin, commit, create, fields, load, milliseconds, set, take, update, value},
    redis_server::RedisServer,
};

async fn behind(proxy: &Proxy) -> RedisBackend {
    let backend = RedisBackend::connect(&*proxy.url).await.unwrap();
    let backend = backend.with_lease(SECOND).with_timeout(SECOND * 2);
    // The listening connection is up, too, and the scripts are known.
    let id = begin(&backend, vec![set("a", 1)]).await;
    for _ in 0..3 {
        let loaded = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        backend.release(id, loaded.lease).await;
    }
    sleep(milliseconds(100)).await;
    backend
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_takes_place_once() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let backend = behind(&proxy).await;
    let other = node(&server).await;
    for answers in 1..4 {
        let id = SessionId::random();
        proxy.swallow_answers(answers);
        backend.commit(create(id, vec![set("a", json!({"n": 0}))])).await.unwrap();
        assert!(proxy.all_swallowed());

        proxy.swallow_answers(answers);
        let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        assert!(proxy.all_swallowed());

        proxy.swallow_answers(answers);
        backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
        assert!(proxy.all_swallowed());
        assert_eq!(value(&other, id, "a").await, Some(json!({"n": 1})));
        // Its turn has ended.
        let held = take(&other, id, &["a"], milliseconds(200)).await.unwrap().unwrap();
        other.release(id, held.lease).await;

        let new = SessionId::random();
        proxy.swallow_answers(answers);
        backend.commit(commit(id, Action::ChangeId(new), vec![set("b", 1)])).await.unwrap();
        assert!(proxy.all_swallowed());
        assert_eq!(value(&other, new, "b").await, Some(json!(1)));

        proxy.swallow_answers(answers);
        backend.commit(commit(new, Action::End, vec![])).await.unwrap();
        assert!(proxy.all_swallowed());
        assert!(load(&other, new).await.unwrap().is_none());
    }
}

/// In between somebody else's commit came: the second sending must not undo it.
#[tokio::test]
async fn a_second_sending_does_not_undo_what_came_in_between() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let backend = behind(&proxy).await;
    let other = node(&server).await;
    let id = begin(&other, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    proxy.swallow_answers(1);
    let first = tokio::spawn({
        let backend = backend.clone();
        async move { backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await }
    });
    while !proxy.all_swallowed() {
        tokio::task::yield_now().await;
    }
    proxy.close(true);
    let held = take(&other, id, &["a"], SECOND).await.unwrap().unwrap();
    other.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(2)))])])).await.unwrap();
    proxy.close(false);
    first.await.unwrap().unwrap();
    assert_eq!(value(&other, id, "a").await, Some(json!({"n": 2})));
}

/// Another node ends it before it is known here that it began.
#[tokio::test]
async fn a_session_that_ended_does_not_begin_again_because_an_answer_is_lost() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let backend = behind(&proxy).await;
    let other = node(&server).await;
    let id = SessionId::random();
    proxy.swallow_answers(1);
    let begins = tokio::spawn({
        let backend = backend.clone();
        async move { backend.commit(create(id, vec![set("a", 1)])).await }
    });
    while !proxy.all_swallowed() {
        tokio::task::yield_now().await;
    }
    proxy.close(true);
    other.commit(commit(id, Action::End, vec![])).await.unwrap();
    proxy.close(false);
    let begun = begins.await.unwrap();
    assert!(matches!(begun, Err(BackendError::Gone)), "{begun:?}");
    assert!(load(&other, id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_found_out_is_said() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let backend = behind(&proxy).await;
    let id = begin(&backend, vec![set("a", 1)]).await;
    proxy.swallow_answers(u32::MAX);
    let unknown = backend.commit(commit(id, Action::Update, vec![set("a", 2)])).await;
    assert!(matches!(unknown, Err(BackendError::OutcomeUnknown(_))), "{unknown:?}");
    proxy.swallow_answers(0);
    // Nobody there: surely nothing was written.
    proxy.close(true);
    sleep(milliseconds(50)).await;
    let begun = Instant::now();
    let failed = loop {
        let failed = backend.commit(commit(id, Action::Update, vec![set("a", 3)])).await;
        // The first one may still have met the old connection.
        if !matches!(failed, Err(BackendError::OutcomeUnknown(_))) {
            break failed;
        }
    };
    assert!(matches!(failed, Err(BackendError::Failed(_))), "{failed:?}");
    assert!(begun.elapsed() < SECOND * 6);
    proxy.close(false);
    assert_eq!(value(&backend, id, "a").await, Some(json!(2)));
}

#[tokio::test]
async fn a_silent_connection_is_given_up_in_time() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let backend = behind(&proxy).await;
    let id = begin(&backend, vec![set("a", 1)]).await;
    proxy.silence(true);
    let begun = Instant::now();
    let silent = backend.load(id, Load::read(Keys::All)).await;
    assert!(matches!(silent, Err(BackendError::Failed(_))));
    let late = begun.elapsed();
    assert!(late < SECOND * 2 + milliseconds(300), "{late:?}");
    proxy.silence(false);
    // A slow network is only slow.
    proxy.delay(50);
    assert_eq!(value(&backend, id, "a").await, Some(json!(1)));
    backend.commit(commit(id, Action::Update, vec![set("a", 2)])).await.unwrap();
    assert_eq!(value(&backend, id, "a").await, Some(json!(2)));
}

#[tokio::test]
async fn each_operation_is_one_round_trip() {
    let server = RedisServer::start().await;
    let backend = node(&server).await.with_lease(Duration::from_mins(1));
    let id = begin(&backend, vec![set("a", json!({"n": 0})), set("b", 1)]).await;
    for _ in 0..2 {
        let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        backend.release(id, held.lease).await;
    }
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    let before = (server.calls("evalsha").await, server.calls("hmget").await);
    for n in 0..100 {
        let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await.unwrap();
    }
    let turns = server.calls("evalsha").await - before.0;
    println!("100 turns with their commits: {turns} scripts");
    // A turn that is free is taken by two plain commands, sent as one.
    assert_eq!(turns, 100);
    assert_eq!(server.calls("set").await, 100);
    assert_eq!(server.calls("hmget").await - before.1, 200);
    assert_eq!(server.calls("eval").await + server.calls("script").await, 0);
    let before = server.calls("evalsha").await;
    for _ in 0..100 {
        let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        backend.release(id, held.lease).await;
    }
    assert_eq!(server.calls("evalsha").await - before, 100);
    let (hmget, evalsha) = (server.calls("hmget").await, server.calls("evalsha").await);
    for _ in 0..100 {
        backend.load(id, Load::read(Keys::Only(&["b"]))).await.unwrap().unwrap();
    }
    assert_eq!(server.calls("hmget").await - hmget, 100);
    for _ in 0..100 {
        backend.commit(commit(id, Action::Update, vec![set("b", 2)])).await.unwrap();
    }
    assert_eq!(server.calls("evalsha").await - evalsha, 100);
}
