//! Values: what is told saved can be loaded again, only what changed is written, and nothing undecodable is overwritten.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod anew;
mod changes;
mod mutability;
mod refused;
mod undecodable;
mod zoo;

use socketioxide_session::{MemoryBackend, RedisBackend, SessionLayer, StoreBackend};
use socketioxide_session_tests::{app::sessions, redis_server::RedisServer, stores::TestStore};

/// A layer on each backend, under the backend's name.
async fn on_each_backend(server: &RedisServer) -> [(&'static str, SessionLayer); 3] {
    [
        ("memory", sessions(MemoryBackend::default())),
        ("store", sessions(StoreBackend::new(TestStore::default()))),
        ("Redis", sessions(RedisBackend::connect(server.url()).await.unwrap())),
    ]
}
