//! `MemoryBackend::with_max_sessions`: a flood takes no more room than there is, and logs nobody out.
//!
//! Clauses: 4, 13.

use std::time::Duration;

use socketioxide_session::{
    Backend, Expiry, MemoryBackend,
    backend::{Action, BackendError, SessionId},
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client},
    fixture::site::parts,
    log::Log,
    records::{attributes, begin, commit, create, create_with, load, set},
};
use tokio::time::sleep;
use tracing::Level;

const MOST: usize = 20;

fn open(backend: &MemoryBackend) -> App {
    App::new(parts(sessions(backend.clone())).router)
}

async fn logged_in(app: &App) -> Client {
    let browser = Client::new(app);
    browser.get("/login").await.ok();
    browser
}

#[tokio::test]
async fn a_flood_of_handshakes_logs_nobody_out() {
    let backend = MemoryBackend::default().with_max_sessions(MOST);
    let app = open(&backend);
    let mut members = Vec::new();
    for _ in 0..MOST / 2 {
        members.push(logged_in(&app).await);
        for _ in 0..100 {
            client::poll(&app, None).await.ok();
            assert!(backend.len() <= MOST);
        }
    }
    assert_eq!(backend.len(), MOST);
    for member in &members {
        assert_eq!(member.get("/who").await.json(), "Ada");
        assert_eq!(member.socket().await.ask("who", &[]).await, "Ada");
    }
    // A handshake in which something was written is one session more that stays.
    let polled = client::poll(&app, None).await.new_cookie();
    client::get(&app, "/visit", Some(&polled)).await.ok();
    for _ in 0..100 {
        client::poll(&app, None).await.ok();
    }
    assert_eq!(client::get(&app, "/visit", Some(&polled)).await.json(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_all_are_written_new_ones_are_refused_and_the_log_says_so_once_a_minute() {
    let (log, _logging) = Log::begin(Level::WARN);
    let backend = MemoryBackend::default().with_max_sessions(MOST);
    let app = open(&backend);
    let mut members = Vec::new();
    for _ in 0..MOST {
        members.push(logged_in(&app).await);
    }
    for _ in 0..120 {
        let refused = client::get(&app, "/visit", None).await;
        assert_eq!((refused.status, refused.set_cookies()), (503, vec![]), "{}", refused.body);
        assert!(refused.headers.contains_key("retry-after") && refused.body.contains("no room"));
        let refused = client::poll(&app, None).await;
        assert_eq!((refused.status, refused.set_cookies()), (503, vec![]));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(log.text().lines().count(), 2, "{}", log.text());
    assert_eq!(log.lines("with_max_sessions"), 2);
    for member in &members {
        assert_eq!(member.get("/visit").await.json(), 1);
        // A new id takes no more room.
        member.get("/login").await.ok();
    }
    // Readers without a session take none either, and whoever leaves makes room.
    assert!(client::get(&app, "/who", None).await.json().is_null());
    members[0].get("/logout").await.ok();
    let newcomer = logged_in(&app).await;
    assert_eq!(client::get(&app, "/visit", None).await.status, 503);
    assert_eq!(newcomer.get("/who").await.json(), "Ada");
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_gives_way_before_anybody_is_refused() {
    let backend = MemoryBackend::default().with_max_sessions(MOST);
    let layer = sessions(backend.clone()).with_expiry(Expiry::OnInactivity(time::Duration::minutes(10)));
    let app = App::new(parts(layer).router);
    for _ in 0..MOST {
        logged_in(&app).await;
    }
    assert_eq!(client::get(&app, "/login", None).await.status, 503);
    // A moment after their end, and long before the sweep has been through all shards.
    sleep(Duration::from_secs(601)).await;
    for _ in 0..MOST {
        assert_eq!(logged_in(&app).await.get("/who").await.json(), "Ada");
    }
    assert_eq!(client::get(&app, "/login", None).await.status, 503);
}

#[tokio::test]
async fn what_was_there_before_counts() {
    let backend = MemoryBackend::default();
    for _ in 0..3 {
        begin(&backend, vec![set("a", 1)]).await;
    }
    let mut provisional = attributes("k");
    provisional.provisional = true;
    let unwritten = SessionId::random();
    backend.commit(create_with(unwritten, provisional, vec![])).await.unwrap();
    let backend = backend.with_max_sessions(4);
    let fourth = begin(&backend, vec![set("a", 1)]).await;
    assert!(load(&backend, unwritten).await.unwrap().is_none());
    let fifth = backend.commit(create(SessionId::random(), vec![])).await;
    assert!(matches!(fifth, Err(BackendError::Full)), "{fifth:?}");
    backend.commit(commit(fourth, Action::End, vec![])).await.unwrap();
    begin(&backend, vec![set("a", 1)]).await;
    assert_eq!(backend.len(), 4);
    // More room, by the same words.
    let backend = backend.with_max_sessions(5);
    begin(&backend, vec![set("a", 1)]).await;
}

/// Threads that begin and end sessions at once: afterwards there are not more than there is room for, and no room is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_at_once_take_no_more_than_there_is() {
    let backend = MemoryBackend::default().with_max_sessions(MOST);
    let mut threads = tokio::task::JoinSet::new();
    for thread in 0..4 {
        let backend = backend.clone();
        threads.spawn(async move {
            for round in 0..5_000 {
                let (id, mut attributes) = (SessionId::random(), attributes("k"));
                attributes.provisional = (thread + round) % 2 == 0;
                if backend.commit(create_with(id, attributes, vec![])).await.is_ok() && round % 3 == 0 {
                    // It may have given way.
                    backend.commit(commit(id, Action::End, vec![])).await.ok();
                }
                if round % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    while let Some(thread) = threads.join_next().await {
        thread.unwrap();
    }
    assert!(backend.len() <= MOST);
    // As many as are left find room, and not one more.
    let fits = MOST - backend.len();
    let mut begun = 0;
    while backend.commit(create(SessionId::random(), vec![])).await.is_ok() {
        begun += 1;
        assert!(begun <= 2 * MOST);
    }
    assert!(begun >= fits && backend.len() == MOST, "{begun} of {fits}");
}
