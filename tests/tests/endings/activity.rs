//! What keeps a session alive, how seldom that is written, and what does not keep it alive. Hours pass here in no
//! time.
//!
//! Clauses: 11.

use std::time::Duration;

use socketioxide::SocketIo;
use socketioxide_session::{Expiry, SessionLayer, StoreBackend, testing::Packet};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::site::{Parts, parts},
    stores::TestStore,
};

const INACTIVITY: time::Duration = time::Duration::minutes(10);

const MINUTE: Duration = Duration::from_mins(1);

/// A page with a session that ten minutes of inactivity end.
struct Page {
    app: App,
    io: SocketIo,
    store: TestStore,
    client: Socket,
    cookie: String,
    /// The `Set-Cookie` line.
    line: String,
}

async fn page(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> Page {
    let store = TestStore::default();
    let own = sessions(StoreBackend::new(store.clone())).with_expiry(Expiry::OnInactivity(INACTIVITY));
    let Parts { router, io, .. } = parts(layer(own));
    let app = App::new(router);
    let visit = client::get(&app, "/visit", None).await;
    let (line, cookie) = (visit.set_cookies().concat(), visit.new_cookie());
    let client = Socket::polling(&app, Some(&cookie)).await;
    Page { app, io, store, client, cookie, line }
}

fn max_age(line: &str) -> i64 {
    let age = line.split("; ").find_map(|part| part.strip_prefix("Max-Age="));
    age.unwrap_or_else(|| panic!("a Max-Age in {line}")).parse().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn events_keep_it_alive_and_are_written_once_per_touch_interval() {
    for event in ["visits", "who"] {
        // A handler that reads counts like one that writes.
        let Page { app, store, mut client, cookie, line, .. } = page(|layer| layer).await;
        let writes = store.writes();
        for _ in 0..180 {
            assert!(client.listen(Duration::from_secs(10)).await);
            assert!(client.try_ask(event, &[]).await.is_some(), "{event}");
        }
        let written = store.writes() - writes;
        println!("{event}: 180 events in 30 minutes, {written} writes");
        assert!((20..=30).contains(&written), "{event}: {written} writes in 30 minutes");
        // The cookie was set half an hour ago, three times the inactivity, and the page's next request is known.
        assert!(max_age(&line) > 30 * 60, "{line}");
        assert_eq!(client::get(&app, "/visit", Some(&cookie)).await.json(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_touch_interval_is_the_applications_and_at_most_half_the_inactivity() {
    let never_too_often = (Duration::ZERO, 180..=200);
    for (interval, expected) in
        [never_too_often, (Duration::from_secs(30), 40..=60), (Duration::from_hours(1), 5..=6)]
    {
        let Page { store, mut client, .. } = page(|layer| layer.with_touch_interval(interval)).await;
        let writes = store.writes();
        for _ in 0..180 {
            assert!(client.listen(Duration::from_secs(10)).await);
            assert_eq!(client.ask("visits", &[]).await, 1, "{interval:?}");
        }
        let written = store.writes() - writes;
        assert!(expected.contains(&written), "{interval:?}: {written} writes in 30 minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_and_server_pushes_do_not() {
    let Page { store, client, .. } = page(|layer| layer).await;
    let writes = store.writes();
    let begun = tokio::time::Instant::now();
    assert!(!client.listen(60 * MINUTE).await, "heartbeats kept it alive");
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    assert!((9.9..10.1).contains(&minutes), "{minutes}");
    assert_eq!(store.writes(), writes);

    let Page { io, store, client, .. } = page(|layer| layer).await;
    let writes = store.writes();
    let pushes = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(20)).await;
            io.emit("news", "nothing new").await.ok();
        }
    });
    let begun = tokio::time::Instant::now();
    let mut heard = 0;
    let listening = async {
        while let Some(Packet::Event { name, .. }) = client.next().await {
            heard += usize::from(name == "news");
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
    let Page { mut client, .. } = page(|layer| layer).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..30 {
        if !client.listen(MINUTE).await || client.try_ask("key", &[]).await.is_none() {
            break;
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    assert!((9.9..11.1).contains(&minutes), "{minutes}");
}

#[tokio::test(start_paused = true)]
async fn the_absolute_timeout_ends_the_busiest_page() {
    let hour = Duration::from_hours(1);
    let Page { app, mut client, cookie, line, .. } = page(|layer| layer.with_absolute_timeout(hour)).await;
    let begun = tokio::time::Instant::now();
    assert!(max_age(&line) <= 3600, "{line}");
    let mut events = 0;
    while events < 1_000 && client.listen(Duration::from_secs(10)).await {
        match client.try_ask("visit", &[]).await {
            Some(answer) if answer.is_u64() => events += 1,
            _ => break,
        }
    }
    let seconds = begun.elapsed().as_secs();
    assert!((3590..=3602).contains(&seconds), "{seconds} s, {events} events");
    assert!(client::get(&app, "/who", Some(&cookie)).await.json().is_null());
    // A login in between does not make it longer, nor does a new id.
    let Page { app, cookie, .. } = page(|layer| layer.with_absolute_timeout(hour)).await;
    tokio::time::sleep(9 * MINUTE).await;
    let login = client::get(&app, "/login", Some(&cookie)).await;
    assert!(max_age(&login.set_cookies().concat()) <= 51 * 60 + 1);
    let new = login.new_cookie();
    for _ in 0..10 {
        tokio::time::sleep(5 * MINUTE).await;
        client::get(&app, "/visit", Some(&new)).await.ok();
    }
    tokio::time::sleep(2 * MINUTE).await;
    assert!(client::get(&app, "/who", Some(&new)).await.json().is_null());
}
