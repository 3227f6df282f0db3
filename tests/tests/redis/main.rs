//! `RedisBackend` against a `redis-server` of the test's own; a node is a backend of its own on it.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod cache;
mod cluster;
mod commits;
mod failures;
mod nodes;
mod processes;
mod proxy;
mod turns;

use socketioxide_session::RedisBackend;
use socketioxide_session_tests::{records::SECOND, redis_server::RedisServer};

/// A node whose turns outlive it for a second.
async fn node(server: &RedisServer) -> RedisBackend {
    RedisBackend::connect(server.url()).await.unwrap().with_lease(SECOND)
}
