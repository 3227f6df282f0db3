//! A node that ends in an orderly way leaves no lease behind: nobody on another node waits for one of a process that is
//! gone.
//!
//! Clauses: 14.

use std::time::Duration;

use axum::{Extension, Router, http::StatusCode, routing::get};
use socketioxide_session::{RedisBackend, SessionLayer, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client,
    fixture::shop::Counter,
    gate::Gate,
    redis_server::RedisServer,
    soon,
};

/// Much longer than this test waits.
const LEASE: Duration = Duration::from_mins(5);

#[http_handler(counter)]
async fn add(counter: &mut Counter) -> String {
    counter.count += 1;
    counter.count.to_string()
}

/// Its changes are discarded, and its lease goes back.
#[http_handler(counter)]
async fn held(counter: &mut Counter, Extension(gate): Extension<Gate>) -> Result<(), StatusCode> {
    counter.count += 100;
    gate.pass().await;
    Err(StatusCode::BAD_REQUEST)
}

async fn node(server: &RedisServer, gate: &Gate) -> (SessionLayer, App) {
    let backend = RedisBackend::connect(server.url()).await.unwrap().with_lease(LEASE);
    let layer = sessions(backend);
    let routes = Router::new().route("/add", get(add)).route("/held", get(held));
    (layer.clone(), App::new(routes.layer(Extension(gate.clone())).layer(layer)))
}

#[tokio::test]
async fn its_leases_have_gone_back_when_it_says_so() {
    let server = RedisServer::start().await;
    let gate = Gate::default();
    let ((ending, first), (_, second)) = tokio::join!(node(&server, &gate), node(&server, &gate));
    let cookie = client::get(&first, "/add", None).await.new_cookie();
    let at_work = tokio::spawn(client::get(&first, "/held", Some(&cookie)));
    gate.reached().await;
    let waits = tokio::spawn(client::get(&second, "/add", Some(&cookie)));
    let shutdown = async {
        gate.open();
        ending.shutdown(Duration::from_secs(20)).await
    };
    assert!(shutdown.await);
    assert_eq!(at_work.await.unwrap().status, 400);
    assert_eq!(soon("a turn of a node that is gone", waits).await.unwrap().body, "2");
}
