//! The order of what is sent is that of the commits, and the last one comes, however slowly a client reads.
//!
//! Clauses: 15.

use serde_json::{Value, json};
use socketioxide_session::{StoreBackend, testing::Packet};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Socket,
    soak::short_or_long,
    stores::TestStore,
};

use crate::stage::{
    Tools, User, commit_and_fail_to_read, next_event, on_each, router, routes, sent, until, visitor, visits,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_tabs_are_sent_the_states_in_their_order_and_the_last_one() {
    let commits = short_or_long(500, 10_000);
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let mut tabs = Vec::new();
        for number in 0..4 {
            let cookie = ada.cookie();
            let tab = match number % 2 {
                0 => Socket::connect(&app, cookie.as_deref()).await,
                _ => Socket::polling(&app, cookie.as_deref()).await,
            };
            tabs.push(tokio::spawn(until(tab, commits)));
        }
        let writers = (0..5).map(|_| {
            let ada = ada.another(ada.cookie().as_deref());
            async move {
                for _ in 0..commits / 5 {
                    ada.get("/visit").await.json();
                }
            }
        });
        futures_util::future::join_all(writers).await;
        for tab in tabs {
            let events = tab.await.expect("the last state");
            println!("{backend}: {commits} commits, {events} events");
            assert!(events as u64 <= commits + 1, "{backend}: {events}");
        }
    }
}

/// Its buffer is full, and what is newer takes the place of what it has not been sent.
#[tokio::test]
async fn a_client_that_does_not_read_gets_fewer_and_the_last_one() {
    const COMMITS: u64 = 2_000;
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let slow = ada.socket_through(512).await;
        slow.event("user").await;
        slow.connection.pause_reading();
        for _ in 0..COMMITS {
            ada.get("/visit").await.json();
        }
        slow.connection.resume_reading();
        let events = until(slow, COMMITS).await;
        assert!((events as u64) < COMMITS, "{backend}: {events}");
    }
}

/// A tab that comes back has what there is then, and whatever comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_misses_nothing_that_is_last() {
    let rounds = short_or_long(20, 500);
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        for round in 0..rounds {
            let writer = {
                let ada = ada.another(ada.cookie().as_deref());
                tokio::spawn(async move {
                    for _ in 0..3 {
                        ada.get("/visit").await.json();
                    }
                })
            };
            let tab = Socket::connect(&app, ada.cookie().as_deref()).await;
            let last = (round + 1) * 3;
            let mut seen = 0;
            while seen < last {
                let (_, args) = next_event(&tab).await;
                assert!(visits(&args) >= seen, "{backend}: {} after {seen}", visits(&args));
                seen = visits(&args);
            }
            writer.await.expect("a writer");
            tab.leave().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_is_asked_again() {
    let store = TestStore::default();
    let layer = sessions(StoreBackend::new(store.clone())).with_live::<User>();
    let app = App::new(router(&Tools::default(), routes(), layer));
    let ada = visitor(&app, "ada").await;
    let tab = Socket::connect(&app, ada.cookie().as_deref()).await;
    assert_eq!(next_event(&tab).await.1, sent("ada", 0));
    commit_and_fail_to_read(&store, ada.get("/visit")).await;
    store.recover();
    assert_eq!(next_event(&tab).await.1, sent("ada", 1));
}

/// Answers that wait for room leave before what is pushed.
#[tokio::test]
async fn answers_are_not_held_up_by_what_is_pushed() {
    const EVENTS: u64 = 400;
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let slow = ada.socket_through(512).await;
        slow.event("user").await;
        slow.connection.pause_reading();
        let ask = |number| {
            socketioxide_session_tests::raw::event_frame(
                "/",
                Some(number),
                "rename",
                &[json!(format!("name {number}"))],
            )
        };
        slow.send(&(0..EVENTS).map(ask).collect::<Vec<_>>()).await;
        slow.connection.resume_reading();
        let (mut answered, mut name) = (0, Value::Null);
        while answered < EVENTS || name != format!("name {}", EVENTS - 1) {
            match slow.next().await.expect("a connection") {
                Packet::Ack { id, .. } => {
                    assert_eq!(id, answered, "{backend}: in order");
                    answered += 1;
                }
                Packet::Event { args, .. } => name = args[0]["name"].clone(),
                _ => {}
            }
        }
    }
}
