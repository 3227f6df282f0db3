//! What the end-to-end tests share: an application, clients of several kinds, stores that misbehave on
//! request. Everything panics with a sentence that says what was waited for, and nothing waits longer than
//! [`PATIENCE`].

#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "read by the tests beside it only; a panic is how a test helper fails"
)]

pub mod app;
pub mod busy;
pub mod certificate;
pub mod client;
pub mod fixture;
pub mod gate;
mod helper;
pub mod http;
pub mod leases;
pub mod ledger;
pub mod log;
pub mod node;
pub mod pgbouncer;
pub mod postgres_server;
pub mod process;
pub mod proxy;
pub mod python;
pub mod random;
pub mod raw;
pub mod records;
pub mod redis_cluster;
pub mod redis_server;
pub mod several;
pub mod soak;
pub mod stores;

use std::{future::Future, time::Duration};

/// How long anything that must happen may take. Tests wait for the event itself; this is for those that fail.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// The outcome of `future`, or a panic that tells what it was.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, future).await;
    outcome.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}
