//! A call that only reads is activity. It does not fail because that cannot be written down.
//!
//! Clauses: 5, 11.

use std::time::Duration;

use socketioxide_session::{Expiry, SessionLayer};
use socketioxide_session_tests::{
    client,
    fixture::site::{Site, code, nothing},
    log::Log,
    stores::{Step, TestStore},
};
use tokio::time::{Instant, sleep};
use tracing::Level;

const INACTIVITY: time::Duration = time::Duration::minutes(10);

const MINUTE: Duration = Duration::from_mins(1);

const READS: [&str; 3] = ["/who", "/visits", "/plain/who"];

fn site(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> Site {
    Site::with(|own| layer(own.with_expiry(Expiry::OnInactivity(INACTIVITY))))
}

/// The moment of expiry moves only when it is written.
fn lives(store: &TestStore, cookie: &str) -> i64 {
    store.lives(cookie).whole_seconds()
}

#[tokio::test(start_paused = true)]
async fn a_read_does_not_fail_because_it_cannot_be_written_down() {
    for lost in [false, true] {
        let site = site(|layer| layer);
        let browser = site.visitor().await;
        let cookie = browser.session();
        let mut socket = browser.socket().await;
        let before = lives(&site.store, &cookie);
        let (log, _logging) = Log::begin(Level::WARN);
        if lost {
            site.store.lose_answers(Step::Write);
        } else {
            site.store.break_down(Step::Write);
        }
        sleep(2 * MINUTE).await;
        for path in READS {
            browser.get(path).await.ok();
        }
        assert_eq!(socket.ask("visits", &[]).await, 1);
        let told = "that a session was active could not be saved";
        assert_eq!(log.lines(told), 1, "{}", log.text());
        assert!(!log.text().contains("ERROR"), "{}", log.text());
        if lost {
            continue;
        }
        assert_eq!(lives(&site.store, &cookie) / 10, before / 10);
        // It is tried again with each call, and told once a minute.
        for _ in 0..5 {
            sleep(MINUTE / 2).await;
            browser.get("/who").await.ok();
        }
        assert!([3, 4].contains(&log.lines(told)), "{}", log.text());
        site.store.recover();
        browser.get("/who").await.ok();
        assert!(lives(&site.store, &cookie) > before + 4 * 60, "it was written at last");
    }
}

#[tokio::test(start_paused = true)]
async fn nor_does_a_handler_that_may_write_and_does_not_or_one_whose_session_is_always_saved() {
    let may_write = site(|layer| layer);
    let browser = may_write.visitor().await;
    let mut socket = browser.socket().await;
    assert_eq!(socket.ask("login", &["Ada".into()]).await, nothing());
    may_write.store.break_down(Step::Write);
    sleep(2 * MINUTE).await;
    assert_eq!(socket.ask("login", &["Ada".into()]).await, nothing());
    assert_eq!(code(&socket.ask("login", &["Eve".into()]).await), "outcome_unknown");

    let site = site(|layer| layer.with_always_save(true));
    let browser = site.visitor().await;
    site.store.break_down(Step::Write);
    for path in READS {
        let answer = browser.get(path).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
        answer.ok();
    }
    // What was asked for is another matter.
    assert_eq!(browser.get("/renew").await.status, 500);
    assert_eq!(browser.get("/visit").await.status, 500);
}

/// A store that does not answer holds one read up, for as long as the backend's timeout; then the session's writes are
/// known to hang.
#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_holds_up_one_read_for_the_limit() {
    let limit = Duration::from_secs(1);
    let site = site(|layer| layer.with_backend_timeout(limit));
    let browser = site.visitor().await;
    let gate = site.store.hold(Step::Write);
    sleep(2 * MINUTE).await;
    for longest in [limit, Duration::ZERO, Duration::ZERO] {
        let begun = Instant::now();
        client::get(&site.app, "/who", Some(&browser.session())).await.ok();
        assert!(begun.elapsed() <= longest + Duration::from_millis(50), "{:?}", begun.elapsed());
    }
    gate.open_for_all();
    sleep(limit).await;
    assert_eq!(browser.get("/visit").await.json(), 2);
}
