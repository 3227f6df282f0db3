//! The answers of events that follow each other in a queue leave in that order: each is on its way before the next
//! handler begins, also that of the first write of a session that a handshake began.
//!
//! Clauses: 6.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use serde::{Serialize, Serializer};
use serde_json::json;
use socketioxide::{SocketIo, extract::State};
use socketioxide_session::{
    Backend, EventRouter, MemoryBackend, StoreBackend, socket_handler, testing::Packet,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Socket,
    fixture::shop::Counter,
    raw::event_frame,
    stores::TestStore,
};

/// Who makes an answer here looks so long whether the next handler begins meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// How many handlers have begun, and whether one did while the answer to the one before it was made.
#[derive(Clone, Debug, Default)]
struct Begun {
    count: Arc<(Mutex<u64>, Condvar)>,
    too_early: Arc<AtomicBool>,
}

impl Begun {
    fn one_more(&self) -> u64 {
        let mut count = self.count.0.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        self.count.1.notify_all();
        *count
    }

    fn look(&self, number: u64) {
        let count = self.count.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.count.1.wait_timeout_while(count, LOOK, |count| *count == number);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.too_early.fetch_or(*count > number, Ordering::SeqCst);
    }
}

/// It is made after the commit; then the client is told.
struct Told(u64, Begun);

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.1.look(self.0);
        self.0.serialize(serializer)
    }
}

#[socket_handler(counter)]
async fn add(counter: &mut Counter, State(begun): State<Begun>) -> Told {
    counter.count += 1;
    Told(begun.one_more(), begun)
}

fn connected() -> EventRouter {
    EventRouter::new().on("add", add)
}

/// Three events at once of a client that comes without a cookie.
async fn answers_leave_in_order(backend: impl Backend) {
    let begun = Begun::default();
    let (sockets, io) = SocketIo::builder().with_state(begun.clone()).build_layer();
    io.ns("/", connected());
    let app = App::new(Router::new().layer(sockets).layer(sessions(backend)));
    let socket = Socket::connect(&app, None).await;
    let frames: Vec<_> = (0..3).map(|id| event_frame("/", Some(id), "add", &[])).collect();
    socket.send(&frames).await;
    for expected in 0..3 {
        match socket.next().await {
            Some(Packet::Ack { id, args, .. }) => {
                assert_eq!((id, args), (expected, vec![json!(expected + 1)]));
            }
            other => panic!("no acknowledgement: {other:?}"),
        }
    }
    assert!(!begun.too_early.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn in_memory() {
    answers_leave_in_order(MemoryBackend::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn where_commits_wait_for_a_store() {
    answers_leave_in_order(StoreBackend::new(TestStore::default())).await;
}
