//! Nodes that are processes (`src/bin/node.rs`), and what can happen to a process.
//!
//! Clauses: 9, 14.

use std::time::Duration;

use socketioxide_session_tests::{
    postgres_server::Database,
    records::milliseconds,
    several::{Engine, Node, processes},
    soon,
};
use tokio::time::sleep;
use tower_sessions_sqlx_store::sqlx::{self, PgPool};

struct Postgres {
    database: Database,
    pool: PgPool,
}

impl Postgres {
    async fn start() -> Self {
        let database = Database::create().await;
        Self { pool: database.pool().await, database }
    }
}

impl Engine for Postgres {
    async fn node(&self, lease: Duration) -> Node {
        node_at(&self.database.url(), lease).await
    }

    async fn somebody_waits(&self) {
        somebody_waits(&self.pool).await;
    }
}

/// Waits until somebody stands in PostgreSQL's line for a turn in this database.
pub(crate) async fn somebody_waits(pool: &PgPool) {
    let waiters = "SELECT count(*) FROM socketioxide_session.waiters";
    let stands = async || sqlx::query_scalar::<_, i64>(waiters).fetch_one(pool).await.unwrap() > 0;
    soon("somebody who waits for a turn", async {
        while !stands().await {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
}

pub(crate) async fn node_at(postgres: &str, lease: Duration) -> Node {
    Node::start(env!("CARGO_BIN_EXE_node"), postgres, lease).await
}

#[tokio::test]
async fn a_server_that_has_just_started_loses_no_first_event() {
    processes::a_server_that_has_just_started_loses_no_first_event(&Postgres::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_in_two_processes_are_all_counted() {
    processes::increments_in_two_processes_are_all_counted(&Postgres::start().await).await;
}

#[tokio::test]
async fn the_turn_of_a_killed_process_passes_on() {
    processes::the_turn_of_a_killed_process_passes_on(&Postgres::start().await).await;
}

#[tokio::test]
async fn a_process_killed_in_a_relay_leaves_what_it_acknowledged() {
    processes::a_process_killed_in_a_relay_leaves_what_it_acknowledged(&Postgres::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_it_counts_leaves_what_it_acknowledged() {
    processes::a_process_killed_while_it_counts_leaves_what_it_acknowledged(&Postgres::start().await).await;
}

#[tokio::test]
async fn a_process_that_slept_through_its_lease_overwrites_nothing() {
    processes::a_process_that_slept_through_its_lease_overwrites_nothing(&Postgres::start().await).await;
}
