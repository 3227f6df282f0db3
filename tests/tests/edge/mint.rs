//! A client without a cookie gets a session with its handshake; a flood of them leaves nothing behind.
//!
//! Clauses: 12, 13.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use socketioxide_session::{Expiry, MemoryBackend};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::site::{Parts, Site, nothing, parts, parts_that_beat},
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    raw::{RawSocket, poll},
};

/// How long such a session lives, and how long the memory takes to sweep all its shards.
const GONE: Duration = Duration::from_secs(10 * 60 + 70);

#[tokio::test(start_paused = true)]
async fn a_flood_of_a_thousand_leaves_nothing_behind() {
    let backend = MemoryBackend::default();
    let Parts { router, io, .. } = parts(sessions(backend.clone()));
    let app = App::new(router);
    let kept = client::get(&app, "/visit", None).await.new_cookie();
    let flood = (0..1_000).map(|number| {
        let app = &app;
        async move {
            let answer = client::poll(app, None).await;
            assert_eq!(answer.set_cookies().len(), 1);
            if number % 10 == 0 {
                // Some look around before they go.
                let mut client = Socket::polling(app, None).await;
                assert_eq!(client.ask("visits", &[]).await, 0);
                client.connection.close().await;
            }
        }
    });
    join_all(flood).await;
    assert_eq!(backend.len(), 1_101);
    tokio::time::sleep(GONE).await;
    assert_eq!(backend.len(), 1, "the one in which something was written");
    assert_eq!(io.sockets().len(), 0);
    assert_eq!(client::get(&app, "/visit", Some(&kept)).await.json(), 2);
}

#[tokio::test(start_paused = true)]
async fn its_life_is_never_longer_than_the_applications_sessions_live() {
    let backend = MemoryBackend::default();
    let layer = sessions(backend.clone()).with_expiry(Expiry::OnInactivity(time::Duration::minutes(2)));
    let app = App::new(parts(layer).router);
    for _ in 0..100 {
        client::poll(&app, None).await.ok();
    }
    assert_eq!(backend.len(), 100);
    tokio::time::sleep(Duration::from_secs(2 * 60 + 70)).await;
    assert_eq!(backend.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_only_listens_is_not_cut_off_and_one_that_left_is_forgotten() {
    let backend = MemoryBackend::default();
    let Parts { router, io, .. } = parts_that_beat(sessions(backend.clone()), Duration::from_mins(5));
    let app = App::new(router);
    let mut client = Socket::polling(&app, None).await;
    for _ in 0..12 {
        assert!(client.listen(Duration::from_mins(15)).await);
    }
    assert_eq!(client.ask("visits", &[]).await, 0);
    assert_eq!(backend.len(), 1);
    // Then it logs in over the socket, and the session is one like any other.
    assert_eq!(client.ask("login", &[json!("Ada")]).await, nothing());
    client.connection.close().await;
    tokio::time::sleep(GONE).await;
    let cookie = client.set_cookies[0].split(';').next().expect("a cookie before its attributes");
    assert_eq!((backend.len(), io.sockets().len()), (1, 0));
    assert_eq!(client::get(&app, "/who", Some(cookie)).await.json(), "Ada");
}

#[tokio::test]
async fn a_login_over_a_socket_is_the_next_pages_user() {
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let site = Site::open();
        let clients = OfficialClients::start();
        let socket = clients.connect(Connect::to(&site.app, transport)).await;
        let lines = socket.set_cookies().await;
        assert_eq!(lines.len(), 1, "{transport:?}: {lines:?}");
        let cookie = lines[0].split(';').next().expect("a cookie").to_owned();
        assert!(site.store.has(&cookie), "stored before the client has it");
        assert!(site.store.lives(&cookie) <= time::Duration::minutes(10), "{transport:?}");
        assert_eq!(socket.ask("who", &[]).await, Value::Null);
        assert_eq!(socket.ask("login", &[json!("Ada")]).await, nothing());
        assert!(site.store.lives(&cookie) > time::Duration::days(1), "{transport:?}");

        // The page that is loaded next, and its socket.
        let browser = Browser::new(&site.app);
        browser.keep(&lines[0]);
        assert_eq!(browser.get("/who").await.json(), "Ada", "{transport:?}");
        let next = clients.connect(Connect::to(&site.app, transport).cookie(browser.session())).await;
        assert_eq!(next.ask("who", &[]).await, "Ada", "{transport:?}");
        assert_eq!(next.set_cookies().await, [""; 0]);
        assert_eq!(site.store.len(), 1);
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_adopted() {
    let site = Site::open();
    let invented = "id=AAAAAAAAAAAAAAAAAAAAAA";
    let polled = poll(&site.app, Some(invented)).await.new_cookie();
    let socket = RawSocket::open(&site.app, Some(invented)).await.expect("a handshake");
    let visited = http::get(&site.app, "/visit", Some(invented)).await.new_cookie();
    assert_eq!(socket.set_cookies.len(), 1);
    for given in [&polled, &socket.set_cookies[0], &visited] {
        assert!(!given.starts_with(invented), "{given}");
    }
    assert_eq!(site.store.len(), 3);
    assert!(!site.store.has(invented));
}

#[tokio::test]
async fn a_store_that_fails_opens_no_connection_and_mints_nothing() {
    let site = Site::open();
    let cookie = site.visitor().await.session();
    for step in
        [socketioxide_session_tests::stores::Step::Load, socketioxide_session_tests::stores::Step::Write]
    {
        site.store.break_down(step);
        let shown = (step == socketioxide_session_tests::stores::Step::Load).then_some(&*cookie);
        let polled = poll(&site.app, shown).await;
        assert_eq!((polled.status, polled.set_cookies()), (503, vec![]), "{step:?}");
        let refused = RawSocket::open(&site.app, shown).await.err().map(|(status, _)| status);
        assert_eq!(refused, Some(503), "{step:?}");
        site.store.recover();
    }
    assert_eq!(site.store.len(), 1);
}
