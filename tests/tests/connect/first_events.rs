//! A client that emits ten events in one write as soon as it has read CONNECT loses none, and they keep their order: on
//! runtimes of one to four workers, beside threads that keep the machine busy.
//!
//! Clauses: 9.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use socketioxide_session::{EventRouter, MemoryBackend};
use socketioxide_session_tests::{
    app::{App, sessions},
    busy::Busy,
    fixture::shop::{self, sockets::add},
    raw::{RawSocket, event_frame},
    soak::short_or_long,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

const WORKERS: usize = 4;
const CLIENTS: usize = 64;
const EVENTS: u64 = 10;

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime")
}

/// One connection, of a session of its own.
async fn connection(app: &App) {
    let mut socket = RawSocket::connect(app, None).await;
    let frames: Vec<_> = (0..EVENTS).map(|id| event_frame("/", Some(id), "add", &[])).collect();
    socket.send(&frames).await;
    for id in 0..EVENTS {
        assert_eq!(socket.answer("/", id).await, id + 1, "event {id}");
    }
    socket.leave().await;
}

#[test]
fn none_is_lost_and_all_keep_their_order() {
    let (time, most) = short_or_long((Duration::from_secs(2), u64::MAX), (Duration::MAX, 25_000));
    let _busy = Busy::threads(3);
    for workers in 1..=WORKERS {
        let server = runtime(workers);
        let (app, _) = shop::open_with(sessions(MemoryBackend::default()), axum::Router::new(), |io| {
            io.ns("/", EventRouter::new().on("add", add));
        });
        let (app, started) = (Arc::new(app), Arc::new(AtomicU64::new(0)));
        server.block_on(async { app.address() });
        let began = Instant::now();
        runtime(1).block_on(async {
            let mut clients = JoinSet::new();
            for _ in 0..CLIENTS {
                let (app, started) = (Arc::clone(&app), Arc::clone(&started));
                clients.spawn(async move {
                    while began.elapsed() < time && started.fetch_add(1, Ordering::Relaxed) < most {
                        connection(&app).await;
                    }
                });
            }
            clients.join_all().await;
        });
        let connections = started.load(Ordering::Relaxed).min(most);
        println!("{connections} connections with {workers} workers in {:.1?}: none lost", began.elapsed());
    }
}
