//! Expiry by time is noticed without traffic, within two seconds of its moment.
//!
//! Clauses: 11.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use socketioxide_session::{Backend, Expiry, MemoryBackend, SessionLayer, StoreBackend};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client, Socket},
    fixture::site::{NAMESPACES, Parts, Site, parts, parts_that_beat},
    stores::TestStore,
};
use time::OffsetDateTime;

/// When it may have ended, counted from its sockets' connection, which came a moment after the session's beginning.
const EARLIEST: Duration = Duration::from_millis(2_300);

/// Two seconds after its moment, and half a second for a busy machine.
const LATEST: Duration = Duration::from_millis(5_500);

type Build = fn(SessionLayer) -> SessionLayer;

/// Real seconds, real connections: the sockets of all namespaces end by themselves.
async fn ends_by_itself(name: &str, backend: impl Backend, build: Build, busy: bool) {
    let Parts { router, io, tools } = parts(build(sessions(backend)));
    let app = App::new(router);
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    for namespace in ["/shop", "/alive", "/plain"] {
        socket.join(namespace).await.expect("a connection");
    }
    let begun = Instant::now();
    if busy {
        // Activity does not help against an end that is fixed.
        while begun.elapsed() < EARLIEST {
            assert_eq!(socket.ask("visits", &[]).await, 1, "{name}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    for namespace in NAMESPACES {
        socket.disconnected(namespace).await;
    }
    let took = begun.elapsed();
    println!("{name}: {took:?}");
    assert!(took > EARLIEST && took < LATEST, "{name}: {took:?}");
    assert_eq!(tools.noted().len(), 4, "{name}: {:?}", tools.noted());
    assert!(socket.join("/").await.is_err(), "{name}");
    assert!(client::get(&app, "/who", Some(&cookie)).await.json().is_null(), "{name}");
    assert_eq!(io.sockets().len(), 0, "{name}");
}

#[tokio::test]
async fn whatever_ends_it_the_sockets_end_within_two_seconds() {
    let inactivity: Build = |layer| layer.with_expiry(Expiry::OnInactivity(time::Duration::seconds(3)));
    let moment: Build = |layer| {
        let at = OffsetDateTime::now_utc() + time::Duration::seconds(3);
        layer.with_expiry(Expiry::AtDateTime(at))
    };
    let absolute: Build = |layer| layer.with_absolute_timeout(Duration::from_secs(3));
    let both: Build = |layer| {
        let idle = Expiry::OnInactivity(time::Duration::seconds(100));
        layer.with_expiry(idle).with_absolute_timeout(Duration::from_secs(3))
    };
    tokio::join!(
        ends_by_itself("inactivity in memory", MemoryBackend::default(), inactivity, false),
        ends_by_itself("inactivity in a store", StoreBackend::new(TestStore::default()), inactivity, false),
        ends_by_itself("a moment in memory", MemoryBackend::default(), moment, true),
        ends_by_itself("a moment in a store", StoreBackend::new(TestStore::default()), moment, false),
        ends_by_itself("an absolute timeout", MemoryBackend::default(), absolute, true),
        ends_by_itself(
            "an absolute timeout and inactivity",
            StoreBackend::new(TestStore::default()),
            both,
            true
        ),
    );
}

/// Connects, listens, and tells after how many seconds it was ended.
async fn seconds_until_the_end(app: &App, cookie: &str) -> u64 {
    let begun = tokio::time::Instant::now();
    let client = Socket::polling(app, Some(cookie)).await;
    assert!(!client.listen(Duration::from_secs(400_000)).await, "it never ended");
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_day_without_a_word_ends_a_hundred_sessions_at_their_moments() {
    let day = 24 * 60 * 60;
    let layer = sessions(MemoryBackend::default()).with_expiry(Expiry::OnInactivity(time::Duration::days(1)));
    let Parts { router, io, .. } = parts_that_beat(layer, Duration::from_hours(12));
    let app = App::new(router);
    let all = join_all((0..100).map(|number| {
        let app = &app;
        async move {
            // Each begins a minute after the one before.
            tokio::time::sleep(Duration::from_mins(number)).await;
            let cookie = client::get(app, "/visit", None).await.new_cookie();
            seconds_until_the_end(app, &cookie).await
        }
    }));
    for (number, took) in all.await.into_iter().enumerate() {
        assert!((day..=day + 2).contains(&took), "session {number}: {took}");
    }
    assert_eq!(io.sockets().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_lives_on_keeps_its_sockets() {
    let hour = time::Duration::hours(1);
    let layer = sessions(MemoryBackend::default()).with_expiry(Expiry::OnInactivity(hour));
    let app = App::new(parts(layer).router);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let mut quiet = Socket::polling(&app, Some(&cookie)).await;
    // The socket is silent; the page's requests keep the session.
    for _ in 0..6 {
        assert!(quiet.listen(Duration::from_mins(45)).await);
        client::get(&app, "/visits", Some(&cookie)).await.ok();
    }
    assert_eq!(quiet.ask("visits", &[]).await, 1);
    assert!(!quiet.listen(Duration::from_mins(61)).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_across_it_saves_nothing_and_is_told() {
    let life = time::Duration::minutes(5);
    let store = TestStore::default();
    let layer = sessions(StoreBackend::new(store.clone())).with_expiry(Expiry::OnInactivity(life));
    let Parts { router, tools, .. } = parts(layer.with_turn_limit(Duration::from_hours(1)));
    let app = App::new(router);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let writes = store.writes();
    let late = client::get(&app, "/held", Some(&cookie));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_mins(6)).await;
        tools.gate.open();
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    assert_eq!((late.status, late.set_cookies()), (409, vec![]), "{}", late.body);
    assert!(late.body.contains("ended"), "{}", late.body);
    assert_eq!(store.writes(), writes);
}

/// It expired where nobody of this process saw it.
#[tokio::test]
async fn the_sockets_of_an_expired_session_are_told_and_disconnected() {
    let site = Site::open();
    let cookie = site.visitor().await.session();
    let mut socket = Socket::connect(&site.app, Some(&cookie)).await;
    site.store.expire(&cookie);
    assert_eq!(socket.ask("visits", &[]).await["code"], "session_ended");
    socket.disconnected("/").await;
}
