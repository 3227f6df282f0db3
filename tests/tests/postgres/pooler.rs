//! Behind `PgBouncer` in transaction mode, where no statement stays prepared and nobody can listen.
//!
//! Clauses: 11, 14.

use serde_json::{Value, json};
use socketioxide_session::{
    PostgresBackend,
    backend::{Backend, Keys, Load, SessionId},
};
use socketioxide_session_tests::{
    client::{self, Socket},
    pgbouncer::PgBouncer,
    postgres_server::Database,
    records::{SECOND, milliseconds},
    several::count_together,
};
use tower_sessions_sqlx_store::sqlx::postgres::{PgPool, PgPoolOptions};

use crate::nodes::serve_on;

async fn pool(pooler: &PgBouncer, database: &Database) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(6);
    pool.connect_with(pooler.options_of(database)).await.unwrap()
}

/// Two nodes, of which each hears of the other in its own way.
async fn all_holds_between(nodes: [PostgresBackend; 2]) {
    nodes[0].migrate().await.unwrap();
    let apps = nodes.map(serve_on);
    let cookie = client::get(&apps[0], "/add", None).await.new_cookie();
    let (counted, open) = count_together(apps.each_ref(), &cookie, 10).await;
    assert_eq!((counted.len(), open), (160, Vec::<Value>::new()));
    let there = Socket::connect(&apps[1], Some(&cookie)).await;
    let here = Socket::connect(&apps[0], Some(&cookie)).await;
    client::get(&apps[0], "/logout", Some(&cookie)).await.ok();
    there.disconnected("/").await;
    here.disconnected("/").await;
    assert_eq!(client::get(&apps[1], "/count", Some(&cookie)).await.json(), json!(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_listen_past_the_pooler() {
    let database = Database::create().await;
    let pooler = PgBouncer::before(&database).await;
    let node = async || {
        let builder = PostgresBackend::builder(pool(&pooler, &database).await).with_lease(SECOND * 10);
        builder.with_pooler().with_listener(database.options()).build().unwrap()
    };
    all_holds_between([node().await, node().await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_poll() {
    let database = Database::create().await;
    let pooler = PgBouncer::before(&database).await;
    let node = async || {
        let builder = PostgresBackend::builder(pool(&pooler, &database).await).with_lease(SECOND * 10);
        builder.with_pooler().with_polling(milliseconds(20)).build().unwrap()
    };
    all_holds_between([node().await, node().await]).await;
}

/// Statements that were prepared on another connection are not there: it says what to do.
#[tokio::test]
async fn whoever_does_not_say_so_is_told_to() {
    let database = Database::create().await;
    let pooler = PgBouncer::before(&database).await;
    PostgresBackend::new(database.pool().await).migrate().await.unwrap();
    let mut told = Vec::new();
    for _ in 0..4 {
        let pool = pool(&pooler, &database).await;
        let node = PostgresBackend::builder(pool).with_polling(SECOND * 60).build().unwrap();
        for _ in 0..8 {
            if let Err(error) = node.load(SessionId::random(), Load::read(Keys::All)).await {
                told.push(format!(
                    "{error} {:?}",
                    std::error::Error::source(&error).map(ToString::to_string)
                ));
            }
        }
    }
    assert!(!told.is_empty() && told.iter().all(|told| told.contains("with_pooler")), "{told:?}");
}
