//! `PostgresBackend` on a server of the test's own; a node is a backend of its own, with its own pool.
//!
//! Clauses: 3, 4, 6, 11, 14, 16.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod bad_input;
mod chaos;
mod lost_answers;
mod nodes;
mod pooler;
mod processes;
mod proxy;
mod races;
mod relays;
mod round_trips;
mod settings;
mod turns;

use socketioxide_session::PostgresBackend;
use socketioxide_session_tests::{postgres_server, records::SECOND};

/// A node whose turns outlive it for a second.
async fn node() -> PostgresBackend {
    let backend = PostgresBackend::builder(postgres_server::pool().await).with_lease(SECOND).build().unwrap();
    backend.migrate().await.unwrap();
    backend
}

/// A node whose leases outlive the pauses of a busy machine.
async fn patient_node() -> PostgresBackend {
    let builder = PostgresBackend::builder(postgres_server::pool().await).with_lease(SECOND * 10);
    let backend = builder.build().unwrap();
    backend.migrate().await.unwrap();
    backend
}
