//! `RedisBackend` against a `redis-server` of the test's own; a node is a backend of its own on it.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod cache;
mod chaos;
mod cluster;
mod commits;
mod failover;
mod failures;
mod gone;

mod nodes;
mod options;
mod processes;
mod proxy;
mod relays;
mod restart;
mod shutdown;
mod tampering;
mod turns;

use socketioxide_session::RedisBackend;
use socketioxide_session_tests::{
    records::{SECOND, milliseconds},
    redis_server::RedisServer,
    soon,
};
use tokio::time::sleep;

/// A node whose turns outlive it for a second.
async fn node(server: &RedisServer) -> RedisBackend {
    RedisBackend::connect(server.url()).await.unwrap().with_lease(SECOND)
}

/// Waits until somebody stands in Redis's line for a turn; there is one session.
async fn somebody_waits(redis: &RedisServer) {
    let stands = async || {
        for line in redis.keys("session:*:turns").await {
            // One lease for which nobody waits stands as a text.
            let kind: String = redis.command(&["TYPE", &line]).await;
            if kind != "hash" {
                continue;
            }
            let fields: Vec<String> = redis.command(&["HKEYS", &line]).await;
            if fields.iter().any(|field| field.starts_with("w:")) {
                return true;
            }
        }
        false
    };
    soon("somebody who waits for a turn", async {
        while !stands().await {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
}
