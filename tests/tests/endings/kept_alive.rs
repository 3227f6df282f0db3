//! Sessions that their sockets keep alive, and those that only an event tied to a socket: no number of them, no slow store
//! and no failure throws a page out, and none outlives its session.
//!
//! Clauses: 11, 13.

use std::time::Duration;

use axum::{Router, routing::get};
use futures_util::future::join_all;
use socketioxide::extract::SocketRef;
use socketioxide_session::{Expiry, MemoryBackend, StoreBackend, http_handler, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Socket},
    fixture::{shop::Counter, site::parts},
    stores::{Step, TestStore},
};

/// Longer than three lives of a session that a handshake began.
const LONG: Duration = Duration::from_mins(35);

#[http_handler(counter)]
async fn add(counter: &mut Counter) {
    counter.count += 1;
}

#[socket_handler(counter)]
async fn look(counter: &Counter) -> u64 {
    counter.count
}

async fn connected(socket: SocketRef) {
    socket.on("look", look);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_only_an_event_tied_to_its_session_ends_with_it() {
    let routes = Router::new().route("/add", get(add));
    let hour = Expiry::OnInactivity(time::Duration::hours(1));
    let layer = sessions(MemoryBackend::default()).with_expiry(hour);
    let app = App::new(with_sockets(routes, (), |io| io.ns("/", connected)).layer(layer));
    let cookie = client::get(&app, "/add", None).await.new_cookie();
    let mut socket = Socket::polling(&app, Some(&cookie)).await;
    assert_eq!(socket.ask("look", &[]).await, 1);
    assert!(socket.listen(Duration::from_mins(59)).await);
    assert!(!socket.listen(Duration::from_mins(2)).await);
}

/// Pages without a cookie that only listen.
async fn pages(count: usize, store: &TestStore) -> Vec<Socket> {
    let app = App::new(parts(sessions(StoreBackend::new(store.clone()))).router);
    join_all((0..count).map(|_| Socket::polling(&app, None))).await
}

async fn all_listen(pages: &[Socket]) {
    let listening = join_all(pages.iter().map(|page| page.listen(LONG))).await;
    let ended = listening.iter().filter(|listens| !**listens).count();
    assert_eq!(ended, 0, "of {} pages", pages.len());
}

#[tokio::test(start_paused = true)]
async fn pages_that_connected_together_stay_on_a_slow_store() {
    let store = TestStore::default();
    let pages = pages(150, &store).await;
    store.slow(Step::Load, Duration::from_millis(50));
    store.slow(Step::Write, Duration::from_millis(50));
    all_listen(&pages).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_stays_whose_renewal_fails_once() {
    for step in [Step::Load, Step::Write] {
        let store = TestStore::default();
        let pages = pages(1, &store).await;
        store.fail_once(step);
        all_listen(&pages).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_come_back_holds_up_no_page() {
    let store = TestStore::default();
    let pages = pages(20, &store).await;
    let gate = store.hold(Step::Load);
    let beside = async {
        // One is held for ever; the store works for all others.
        while !gate.is_reached() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        store.recover();
    };
    tokio::join!(all_listen(&pages), beside);
}
