//! An orderly end of the process: sockets go first, nothing new begins, and what is at work ends.
//!
//! Clauses: 14.

use std::time::{Duration, Instant};

use axum::http::header::RETRY_AFTER;
use socketioxide_session::{SessionLayer, StoreBackend};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client, Socket},
    fixture::site::{Parts, parts},
    node::{Connect, OfficialClients, Transport},
    soon,
    stores::TestStore,
};
use tokio::{net::TcpListener, sync::oneshot};

fn site() -> (SessionLayer, Parts, TestStore) {
    let store = TestStore::default();
    let layer = sessions(StoreBackend::new(store.clone()));
    (layer.clone(), parts(layer), store)
}

#[tokio::test]
async fn sockets_go_nothing_new_begins_and_what_is_at_work_ends() {
    let (layer, Parts { router, tools, .. }, _) = site();
    let app = App::new(router);
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let (socket, polling) =
        (Socket::connect(&app, Some(&cookie)).await, Socket::polling(&app, Some(&cookie)).await);
    let at_work = tokio::spawn(client::get(&app, "/held", Some(&cookie)));
    tools.gate.reached().await;

    let shutdown = tokio::spawn(async move { layer.shutdown(Duration::from_mins(1)).await });
    for socket in [socket, polling] {
        while socket.next().await.is_some() {}
    }
    let refused = client::get(&app, "/visit", Some(&cookie)).await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key(RETRY_AFTER) && refused.body.contains("shutting down"));
    let handshake = Socket::open(&app, Some(&cookie)).await;
    assert_eq!(handshake.err().map(|(status, _)| status), Some(503));
    assert!(!shutdown.is_finished(), "a call is at work");

    tools.gate.open();
    assert_eq!(at_work.await.expect("an answer").status, 200);
    assert!(soon("the end", shutdown).await.expect("no panic"));
}

#[tokio::test(start_paused = true)]
async fn it_says_when_the_time_was_over_before() {
    let (layer, Parts { router, tools, .. }, _) = site();
    let app = App::new(router);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let at_work = client::begin(&app, "/held", Some(&cookie));
    tools.gate.reached().await;
    assert!(!layer.shutdown(Duration::from_secs(10)).await);
    drop(at_work);
    assert!(layer.shutdown(Duration::from_secs(10)).await);
}

/// As the documentation has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_long_poll_holds_up_axums_graceful_shutdown() {
    let (layer, Parts { router, .. }, _) = site();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let app = App::elsewhere(listener.local_addr().expect("an address"));
    let (told, tell) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let ended = async move {
            tell.await.ok();
            assert!(layer.shutdown(Duration::from_secs(10)).await);
        };
        axum::serve(listener, router).with_graceful_shutdown(ended).await
    });
    let clients = OfficialClients::start();
    let socket = clients.connect(Connect::to(&app, Transport::Polling)).await;
    let begun = Instant::now();
    told.send(()).expect("a server that listens");
    soon("a server that has ended", server).await.expect("no panic").expect("an orderly end");
    // A poll waits for 25 seconds otherwise.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    socket.event("disconnect").await;
}
