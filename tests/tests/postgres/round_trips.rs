//! How often PostgreSQL is asked, by its own statistics.

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide_session::{EventRouter, PostgresBackend, http_handler, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client,
    fixture::shop::Counter,
    http,
    postgres_server::PostgresServer,
    raw::RawSocket,
};
use tower_sessions_sqlx_store::sqlx::{self, PgPool};

#[http_handler(counter)]
async fn count(counter: &Counter) -> String {
    counter.count.to_string()
}

#[http_handler(counter)]
async fn add(counter: &mut Counter) -> String {
    counter.count += 1;
    counter.count.to_string()
}

#[socket_handler(counter)]
async fn add_by_event(counter: &mut Counter) -> u64 {
    counter.count += 1;
    counter.count
}

/// How many statements of calls there were since it was asked last: those that read, take turns, commit, and end turns.
async fn asked(pool: &PgPool) -> [i64; 4] {
    let mut counts = [0; 4];
    for (count, like) in counts.iter_mut().zip(["SELECT s.lasting%", "%.take(%", "%.commit(%", "%.release(%"])
    {
        let calls =
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query LIKE $1 AND toplevel";
        *count = sqlx::query_scalar(calls).bind(like).fetch_one(pool).await.unwrap();
    }
    sqlx::query("SELECT pg_stat_statements_reset()").execute(pool).await.unwrap();
    counts
}

#[tokio::test]
async fn a_read_is_one_a_write_two_and_calls_that_queue_up_share_them() {
    let server =
        PostgresServer::start_with(&["shared_preload_libraries=pg_stat_statements", "fsync=off"]).await;
    let pool = server.pool().await;
    sqlx::query("CREATE EXTENSION pg_stat_statements").execute(&pool).await.unwrap();
    let backend = PostgresBackend::new(server.pool().await);
    backend.migrate().await.unwrap();
    let routes = Router::new().route("/count", get(count)).route("/add", get(add));
    let events = EventRouter::new().on("add", add_by_event);
    let app = App::new(with_sockets(routes, (), |io| io.ns("/", events)).layer(sessions(backend)));
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    asked(&pool).await;

    for _ in 0..50 {
        http::get(&app, "/count", Some(&cookie)).await.ok();
    }
    assert_eq!(asked(&pool).await, [50, 0, 0, 0]);
    for n in 0..50 {
        assert_eq!(socket.ask("add", &[]).await, json!(n + 2));
    }
    assert_eq!(asked(&pool).await, [0, 50, 50, 0]);
    for _ in 0..20 {
        let mut asked = Vec::new();
        for _ in 0..16 {
            asked.push(socket.ask_later("/", "add", &[]).await);
        }
        for number in asked {
            socket.answer("/", number).await;
        }
    }
    let [reads, takes, commits, releases] = asked(&pool).await;
    println!("320 events, 16 in flight: {takes} takes, {commits} commits, {releases} releases");
    assert_eq!((reads, releases), (0, 0));
    assert!(takes <= 320 && commits <= 320);
    assert_eq!(http::get(&app, "/count", Some(&cookie)).await.body, "371");
}
