//! What a backend is told before it connects.

use serde_json::json;
use socketioxide_session::{
    RedisBackend,
    backend::{Action, Backend, BackendError},
};
use tokio::time::Instant;

use socketioxide_session_tests::{
    records::{SECOND, begin, commit, load, milliseconds, set},
    redis_server::RedisServer,
};

#[tokio::test]
async fn a_builder_takes_options_before_it_connects() {
    let server = RedisServer::start().await;
    let backend = RedisBackend::builder(server.url())
        .with_prefix("app:")
        .with_lease(SECOND)
        .with_timeout(SECOND * 2)
        .with_cut_off(SECOND * 10)
        .with_max_value_size(100)
        .with_read_cache(10)
        .connect()
        .await
        .unwrap();
    let id = begin(&backend, vec![set("a", json!({"n": 1}))]).await;
    assert!(server.keys("*").await.iter().all(|key| key.starts_with("app:{")));
    let large = commit(id, Action::Update, vec![set("b", "x".repeat(100))]);
    assert!(matches!(backend.commit(large).await, Err(BackendError::Failed(_))));
    load(&backend, id).await.unwrap().unwrap();
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    load(&backend, id).await.unwrap().unwrap();
    assert_eq!(server.calls("hgetall").await, 0);
}

#[tokio::test]
async fn an_address_may_be_borrowed() {
    let server = RedisServer::start().await;
    let url: String = server.url();
    RedisBackend::connect(&url).await.unwrap();
    RedisBackend::connect(&*url).await.unwrap();
    RedisBackend::builder(&url).connect().await.unwrap();
    RedisBackend::connect(url).await.unwrap();
}

#[tokio::test]
async fn the_timeout_counts_for_connecting() {
    let server = RedisServer::start().await;
    let url = server.url();
    drop(server);
    let begun = Instant::now();
    let refused = RedisBackend::builder(url).with_timeout(milliseconds(500)).connect().await;
    assert!(matches!(refused, Err(BackendError::Failed(_))));
    assert!(begun.elapsed() < SECOND * 2);
}

#[tokio::test]
async fn addresses_are_looked_at_when_it_connects() {
    assert!(RedisBackend::builder("nonsense").connect().await.is_err());
    assert!(RedisBackend::cluster_builder(["nonsense"]).connect().await.is_err());
    assert!(RedisBackend::cluster_builder([""; 0]).connect().await.is_err());
}

#[tokio::test]
async fn a_cluster_has_a_builder_without_a_read_cache() {
    let server = RedisServer::start_cluster().await;
    let builder = || RedisBackend::cluster_builder([server.url()]).with_prefix("app:");
    let backend = builder().connect().await.unwrap();
    begin(&backend, vec![set("a", 1)]).await;
    assert!(server.keys("*").await.iter().all(|key| key.starts_with("app:{")));
    let refused = builder().with_read_cache(10).connect().await.unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("Cluster"));
}

#[test]
fn no_password_is_shown() {
    let builder = RedisBackend::builder("redis://app:secret@127.0.0.1/");
    assert!(!format!("{builder:?}").contains("secret"));
}
