//! What keeps a session alive, how seldom that is written, and what does not keep it alive. Hours pass here in no
//! time.
//!
//! Clauses: 11.

use std::time::Duration;

use serde_json::json;
use socketioxide_session::{Expiry, SessionLayer, StoreBackend};
use socketioxide_session_tests::{
    app::sessions,
    fixture::site::{Parts, parts},
    polling::{self, Polling},
    stores::TestStore,
};

const INACTIVITY: time::Duration = time::Duration::minutes(10);

const MINUTE: Duration = Duration::from_mins(1);

/// The site, its store, and a page with a session that ten minutes of inactivity end.
async fn page(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> (Parts, TestStore, Polling, String) {
    let store = TestStore::default();
    let own = sessions(StoreBackend::new(store.clone())).with_expiry(Expiry::OnInactivity(INACTIVITY));
    let site = parts(layer(own));
    let visit = polling::get(&site.router, "/visit", None).await;
    let line = visit.set_cookies().concat();
    let client = Polling::connect(&site.router, Some(&visit.new_cookie())).await;
    (site, store, client, line)
}

fn max_age(line: &str) -> i64 {
    let age = line.split("; ").find_map(|part| part.strip_prefix("Max-Age="));
    age.unwrap_or_else(|| panic!("a Max-Age in {line}")).parse().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn events_keep_it_alive_and_are_written_once_per_touch_interval() {
    for event in ["visits", "who"] {
        // A handler that reads counts like one that writes.
        let (site, store, mut client, line) = page(|layer| layer).await;
        let writes = store.writes();
        for _ in 0..180 {
            assert!(client.listen(Duration::from_secs(10)).await);
            assert!(client.ask(event, &[]).await.is_some(), "{event}");
        }
        let written = store.writes() - writes;
        println!("{event}: 180 events in 30 minutes, {written} writes");
        assert!((20..=30).contains(&written), "{event}: {written} writes in 30 minutes");
        // The cookie was set half an hour ago, three times the inactivity, and the page's next request is known.
        assert!(max_age(&line) > 30 * 60, "{line}");
        assert_eq!(polling::get(&site.router, "/visit", Some(&client.cookie)).await.json(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_touch_interval_is_the_applications_and_at_most_half_the_inactivity() {
    let never_too_often = (Duration::ZERO, 180..=200);
    for (interval, expected) in
        [never_too_often, (Duration::from_secs(30), 40..=60), (Duration::from_hours(1), 5..=6)]
    {
        let (_site, store, mut client, _) = page(|layer| layer.with_touch_interval(interval)).await;
        let writes = store.writes();
        for _ in 0..180 {
            assert!(client.listen(Duration::from_secs(10)).await);
            assert_eq!(client.ask("visits", &[]).await, Some(json!(1)), "{interval:?}");
        }
        let written = store.writes() - writes;
        assert!(expected.contains(&written), "{interval:?}: {written} writes in 30 minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_and_server_pushes_do_not() {
    let (_site, store, mut client, _) = page(|layer| layer).await;
    let writes = store.writes();
    let begun = tokio::time::Instant::now();
    assert!(!client.listen(60 * MINUTE).await, "heartbeats kept it alive");
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    assert!((9.9..10.1).contains(&minutes), "{minutes}");
    assert_eq!(store.writes(), writes);

    let (site, store, mut client, _) = page(|layer| layer).await;
    let writes = store.writes();
    let io = site.io.clone();
    let pushes = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(20)).await;
            io.emit("news", "nothing new").await.ok();
        }
    });
    let begun = tokio::time::Instant::now();
    let mut heard = 0;
    let listening = async {
        while let Some(packet) = client.next().await {
            assert!(packet.contains("news"), "{packet}");
            heard += 1;
        }
    };
    tokio::time::timeout(60 * MINUTE, listening).await.expect("pushes kept it alive");
    pushes.abort();
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    assert!((9.9..10.1).contains(&minutes) && heard >= 25, "{minutes} minutes, {heard} pushes");
    assert_eq!(store.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn events_of_no_state_do_not_either() {
    let (_site, _store, mut client, _) = page(|layer| layer).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..30 {
        if !client.listen(MINUTE).await || client.ask("key", &[]).await.is_none() {
            break;
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    assert!((9.9..11.1).contains(&minutes), "{minutes}");
}

#[tokio::test(start_paused = true)]
async fn the_absolute_timeout_ends_the_busiest_page() {
    let hour = Duration::from_hours(1);
    let (site, _store, mut client, line) = page(|layer| layer.with_absolute_timeout(hour)).await;
    let begun = tokio::time::Instant::now();
    assert!(max_age(&line) <= 3600, "{line}");
    let mut events = 0;
    while events < 1_000 && client.listen(Duration::from_secs(10)).await {
        match client.ask("visit", &[]).await {
            Some(answer) if answer.is_u64() => events += 1,
            _ => break,
        }
    }
    let seconds = begun.elapsed().as_secs();
    assert!((3590..=3602).contains(&seconds), "{seconds} s, {events} events");
    assert!(polling::get(&site.router, "/who", Some(&client.cookie)).await.json().is_null());
    // A login in between does not make it longer, nor does a new id.
    let (site, _store, client, _) = page(|layer| layer.with_absolute_timeout(hour)).await;
    tokio::time::sleep(9 * MINUTE).await;
    let login = polling::get(&site.router, "/login", Some(&client.cookie)).await;
    assert!(max_age(&login.set_cookies().concat()) <= 51 * 60 + 1);
    let new = login.new_cookie();
    for _ in 0..10 {
        tokio::time::sleep(5 * MINUTE).await;
        polling::get(&site.router, "/visit", Some(&new)).await.ok();
    }
    tokio::time::sleep(2 * MINUTE).await;
    assert!(polling::get(&site.router, "/who", Some(&new)).await.json().is_null());
}
