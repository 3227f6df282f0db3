//! How often PostgreSQL is asked, by its own statistics.

use axum::{Router, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{EventRouter, PostgresBackend, http_handler, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client,
    fixture::shop::Counter,
    http,
    postgres_server::PostgresServer,
    raw::RawSocket,
    records::SECOND,
    several::relays::Node,
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

/// A server that counts, and a node on it.
async fn begin() -> (PostgresServer, PgPool, PostgresBackend) {
    let server =
        PostgresServer::start_with(&["shared_preload_libraries=pg_stat_statements", "fsync=off"]).await;
    let pool = server.pool().await;
    sqlx::query("CREATE EXTENSION pg_stat_statements").execute(&pool).await.unwrap();
    let backend = PostgresBackend::builder(server.pool().await).with_timeout(SECOND * 20).build().unwrap();
    backend.migrate().await.unwrap();
    (server, pool, backend)
}

#[tokio::test]
async fn a_read_is_one_and_a_write_two() {
    let (_server, pool, backend) = begin().await;
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
        let mut numbers = Vec::new();
        for _ in 0..16 {
            numbers.push(socket.ask_later("/", "add", &[]).await);
        }
        for number in numbers {
            socket.answer("/", number).await;
        }
    }
    let [_, takes, commits, releases] = asked(&pool).await;
    println!("320 events, 16 in flight: {takes} takes, {commits} commits, {releases} releases");
    assert_eq!(http::get(&app, "/count", Some(&cookie)).await.body, "371");
}

#[tokio::test]
async fn sixteen_events_in_flight_are_two_commits() {
    let (server, pool, backend) = begin().await;
    let (mut node, _) = Node::start(sessions(backend), None).await;
    let numbers = node.line_up(&["add"; 15]).await;
    asked(&pool).await;
    server.signal("STOP");
    node.stage.gate.open();
    node.ran(16).await;
    // All have done their work; none is told before PostgreSQL has it.
    node.is_told_nothing().await;
    server.signal("CONT");
    let expected: Vec<_> = (3..=18).map(Value::from).collect();
    assert_eq!(node.answers(numbers).await, expected);
    let [_, takes, commits, _] = asked(&pool).await;
    println!("16 events in flight, whose turn was taken: {takes} takes, {commits} commits");
    assert_eq!(takes, 0);
    assert!((1..=2).contains(&commits), "{commits}");
}
