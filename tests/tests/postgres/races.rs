//! What happens on two nodes at one moment: nobody misses what the other does.
//!
//! Clauses: 14, 15.

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide_session::{EventRouter, PostgresBackend, http_handler, session_state};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Socket},
    postgres_server::Database,
    records::{SECOND, milliseconds},
    soon,
};
use tokio::time::{sleep, timeout};
use tower_sessions_sqlx_store::sqlx::{self, postgres::PgPool};

#[session_state(emit = "seen")]
struct Seen {
    count: u64,
}

#[http_handler(seen)]
async fn see(seen: &mut Seen) {
    seen.count += 1;
}

fn app(backend: PostgresBackend) -> App {
    let (routes, tabs) = (Router::new().route("/see", get(see)), EventRouter::new());
    let application = with_sockets(routes, (), |io| io.ns("/", tabs));
    App::new(application.layer(sessions(backend).with_live::<Seen>()))
}

/// How many statements wait for each other in this database.
pub(crate) async fn waiting(pool: &PgPool) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap()
}

pub(crate) async fn until_waiting(pool: &PgPool, count: i64) {
    soon("statements that wait for each other", async {
        while waiting(pool).await < count {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
}

/// Every commit waits for the gate when all its work is done.
const GATE: [&str; 2] = [
    "CREATE FUNCTION wait_for_gate() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER gate AFTER UPDATE ON socketioxide_session.sessions \
     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_gate()",
];

#[tokio::test]
async fn a_tab_that_comes_while_a_commit_is_under_way_is_sent_what_that_brings() {
    let database = Database::create().await;
    let pool = database.pool().await;
    let one = PostgresBackend::new(database.pool().await);
    one.migrate().await.unwrap();
    // It looks at its sessions by itself after a minute.
    let two = PostgresBackend::builder(database.pool().await).with_cut_off(SECOND * 120);
    let (one, two) = (app(one), app(two.build().unwrap()));
    let cookie = client::get(&one, "/see", None).await.new_cookie();
    for make in GATE {
        sqlx::query(make).execute(&pool).await.unwrap();
    }
    let mut gate = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(1)").execute(&mut *gate).await.unwrap();
    let commits = tokio::spawn(client::get(&one, "/see", Some(&cookie)));
    until_waiting(&pool, 1).await;
    let comes = tokio::spawn(async move {
        let tab = Socket::connect(&two, Some(&cookie)).await;
        let seen = tab.event("seen").await;
        (two, tab, seen)
    });
    soon("a tab that has come, or waits", async {
        while !comes.is_finished() && waiting(&pool).await < 2 {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
    gate.rollback().await.unwrap();
    commits.await.unwrap().ok();
    let (_two, tab, mut seen) = comes.await.unwrap();
    while seen != [json!({"count": 2})] {
        seen = timeout(SECOND * 10, tab.event("seen")).await.expect("the last state");
    }
}

/// A node that listens to nobody counts commits: for the tabs that were there already, too.
#[tokio::test]
async fn a_second_tab_takes_no_news_from_the_first() {
    let database = Database::create().await;
    let one = PostgresBackend::new(database.pool().await);
    one.migrate().await.unwrap();
    let two = PostgresBackend::builder(database.pool().await).with_polling(SECOND * 4);
    let (one, two) = (app(one), app(two.build().unwrap()));
    let cookie = client::get(&one, "/see", None).await.new_cookie();
    let first = Socket::connect(&two, Some(&cookie)).await;
    assert_eq!(first.event("seen").await, [json!({"count": 1})]);
    client::get(&one, "/see", Some(&cookie)).await.ok();
    let second = Socket::connect(&two, Some(&cookie)).await;
    assert_eq!(second.event("seen").await, [json!({"count": 2})]);
    let news = timeout(SECOND * 20, first.event("seen")).await.expect("the last state");
    assert_eq!(news, [json!({"count": 2})]);
}
