//! Nodes that are processes (`src/bin/node.rs`), and what can happen to a process.
//!
//! Clauses: 9, 14.

use std::time::Duration;

use socketioxide_session_tests::{
    redis_server::RedisServer,
    several::{Engine, Node, processes},
};

use crate::somebody_waits;

struct Redis(RedisServer);

impl Redis {
    async fn start() -> Self {
        Self(RedisServer::start().await)
    }
}

impl Engine for Redis {
    async fn node(&self, lease: Duration) -> Node {
        node_at(&self.0.url(), lease).await
    }

    async fn somebody_waits(&self) {
        somebody_waits(&self.0).await;
    }
}

pub(crate) async fn node_at(redis: &str, lease: Duration) -> Node {
    Node::start(env!("CARGO_BIN_EXE_node"), redis, lease).await
}

#[tokio::test]
async fn a_server_that_has_just_started_loses_no_first_event() {
    processes::a_server_that_has_just_started_loses_no_first_event(&Redis::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_in_two_processes_are_all_counted() {
    processes::increments_in_two_processes_are_all_counted(&Redis::start().await).await;
}

#[tokio::test]
async fn the_turn_of_a_killed_process_passes_on() {
    processes::the_turn_of_a_killed_process_passes_on(&Redis::start().await).await;
}

#[tokio::test]
async fn a_process_killed_in_a_relay_leaves_what_it_acknowledged() {
    processes::a_process_killed_in_a_relay_leaves_what_it_acknowledged(&Redis::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_it_counts_leaves_what_it_acknowledged() {
    processes::a_process_killed_while_it_counts_leaves_what_it_acknowledged(&Redis::start().await).await;
}

#[tokio::test]
async fn a_process_that_slept_through_its_lease_overwrites_nothing() {
    processes::a_process_that_slept_through_its_lease_overwrites_nothing(&Redis::start().await).await;
}
