//! The parts, through what a user can reach: requests in process, `Shared`, a `Backend`'s methods. With allocations.
//!
//! `cargo bench -p socketioxide-session`, or a part of it: `cargo bench -p socketioxide-session -- commit`. Times hold
//! the floor: a runtime entered for each call, a router that routes.

#![allow(missing_docs, reason = "a program of its own; nobody names its items")]

mod app;
mod backend;
mod floor;
mod handshakes;
mod requests;
mod state;
mod turns;

use divan::{AllocProfiler, Bencher, Divan};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    Divan::default().sample_count(500).sample_size(16).config_with_args().main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Measures one call of an async function.
fn bench<T>(bencher: Bencher<'_, '_>, runtime: &Runtime, mut call: impl AsyncFnMut() -> T) {
    bencher.bench_local(|| runtime.block_on(call()));
}
