//! A store that answers late, or never: its callers hear of it in time, and what may still arrive overwrites nothing.
//!
//! Clauses: 4, 6, 10, 11.

use std::{future::Future, sync::Arc, time::Duration};

use serde_json::json;
use socketioxide_session::{MemoryBackend, SessionLayer};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client},
    fixture::site::{Of, Site, code, parts},
    http::Answer,
    random::Random,
    soak::short_or_long,
    soon,
    stores::Step,
};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(1);

fn limited(layer: SessionLayer) -> SessionLayer {
    layer.with_backend_timeout(LIMIT)
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (future.await, begun.elapsed())
}

fn nothing_was_saved(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.headers.contains_key("retry-after"));
}

/// It took the limit, and not much more.
fn in_time(took: Duration) {
    assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(100), "{took:?}");
}

async fn is_at_once(answer: impl Future<Output = Answer>) -> Answer {
    let (answer, took) = timed(answer).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    answer
}

#[tokio::test(start_paused = true)]
async fn a_save_that_lands_late_overwrites_nothing() {
    for site in Site::on_both_stores(limited) {
        let browser = site.visitor().await;
        let cookie = browser.session();
        let mut socket = browser.socket().await;
        site.store.save_late_once(Duration::from_secs(2));
        let (first, took) = timed(browser.get("/visit")).await;
        assert_eq!(first.status, 500, "{}", first.body);
        assert!(first.body.contains("may or may not"), "{}", first.body);
        in_time(took);

        // Until it has come back the session is read and not written: also by writers that name other states, or none.
        for path in ["/visit", "/plain/visit", "/login", "/renew"] {
            nothing_was_saved(&is_at_once(browser.get(path)).await);
        }
        assert_eq!(code(&socket.ask("visit", &[]).await), "backend");
        // Nor does a handler run that could write once it has come back, over what it brought.
        let held = timeout(LIMIT / 10, browser.get("/held")).await.expect("refused before its handler runs");
        nothing_was_saved(&held);
        for (path, expected) in [("/visits", json!(1)), ("/who", json!(null)), ("/plain/who", json!(null))] {
            assert_eq!(is_at_once(browser.get(path)).await.json(), expected, "{path}");
        }
        assert_eq!(socket.ask("visits", &[]).await, 1);
        // Others are written to.
        assert_eq!(Client::new(&site.app).get("/visit").await.json(), 1);

        sleep(LIMIT + Duration::from_millis(10)).await;
        assert_eq!(site.store.stored(&cookie, "user")["visits"], 2, "it has landed");
        assert_eq!(browser.get("/visit").await.json(), 3, "the next write begins with what has landed");
        assert_eq!(socket.ask("visit", &[]).await, 4);
        assert_eq!(browser.get("/plain/visit").await.json(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_that_never_comes_back_holds_nobody_up() {
    for site in Site::on_both_stores(limited) {
        let browser = site.visitor().await;
        let _gate = site.store.hold(Step::Write);
        let writer = tokio::spawn(browser.get("/visit"));
        yield_now().await;
        // A reader of the same state waits behind the writer, and no longer.
        let ((read, took), write) = tokio::join!(timed(browser.get("/visits")), writer);
        assert_eq!((read.json(), write.unwrap().status), (json!(1), 500));
        in_time(took);
        nothing_was_saved(&is_at_once(browser.get("/visit")).await);
        // After a minute it is waited for no more.
        site.store.recover();
        sleep(59 * LIMIT).await;
        nothing_was_saved(&is_at_once(browser.get("/visit")).await);
        sleep(2 * LIMIT).await;
        assert_eq!(browser.get("/visit").await.json(), 2);
    }
}

/// One that waits for a lock of ours has written nothing, and does not do it later.
#[tokio::test(start_paused = true)]
async fn a_write_that_was_not_begun_is_not_begun_late() {
    for site in Site::on_both_stores(limited) {
        let browser = site.visitor().await;
        let cookie = browser.session();
        let gate = site.store.hold(Step::Write);
        let first = tokio::spawn(browser.get("/visit"));
        gate.reached().await;
        sleep(LIMIT / 2).await;
        let (second, took) = timed(browser.get("/plain/visit")).await;
        nothing_was_saved(&second);
        in_time(took);
        assert_eq!(first.await.unwrap().status, 500);
        gate.open_for_all();
        sleep(LIMIT).await;
        assert_eq!(site.store.stored(&cookie, "plain visits"), json!(null));
        assert_eq!(browser.get("/visit").await.json(), 3);
        assert_eq!(browser.get("/plain/visit").await.json(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_in_time_has_failed_and_wrote_nothing() {
    let site = Site::with(limited);
    let browser = site.visitor().await;
    let mut socket = browser.socket().await;
    let _gate = site.store.hold(Step::Load);
    for path in ["/who", "/visit", "/plain/who", "/logout"] {
        let (answer, took) = timed(browser.get(path)).await;
        assert!([500, 503].contains(&answer.status), "{path}: {}", answer.status);
        in_time(took);
    }
    let (answer, took) = timed(socket.ask("visit", &[])).await;
    assert_eq!(code(&answer), "backend");
    in_time(took);
    let (answer, took) = timed(client::poll(&site.app, Some(&browser.session()))).await;
    nothing_was_saved(&answer);
    in_time(took);
    site.store.recover();
    assert_eq!(browser.get("/visit").await.json(), 2);
}

/// The logout goes on beside a save that does not come back, and beside one that brings the session back.
#[tokio::test(start_paused = true)]
async fn a_logout_waits_for_no_save() {
    for of in Of::ALL {
        let both = || Site::on_both_stores(limited).into_iter();
        for (comes_back, site) in
            [true, false].into_iter().flat_map(|comes_back| both().map(move |site| (comes_back, site)))
        {
            let browser = site.visitor().await;
            let cookie = browser.session();
            let socket = browser.socket().await;
            let gate = site.store.hold(Step::Write);
            assert_eq!(browser.get("/visit").await.status, 500);
            let logout = is_at_once(browser.get(&of.path("logout"))).await;
            assert_eq!(logout.set_cookies().len(), 1, "{of:?}");
            logout.ok();
            socket.disconnected("/").await;
            assert!(!site.store.has(&cookie), "{of:?}");
            site.store.recover();
            if comes_back {
                gate.open_for_all();
                yield_now().await;
            }
            for _ in 0..100 {
                let visits = client::get(&site.app, "/visits", Some(&cookie)).await.json();
                assert_eq!(visits, 0, "{of:?}: it is back");
                sleep(LIMIT).await;
            }
            assert!(!site.store.has(&cookie), "{of:?}: its record is back");
        }
    }
}

/// A login whose new record comes late did not take place, whatever the store does later.
#[tokio::test(start_paused = true)]
async fn a_login_that_comes_late_leaves_the_session_as_it_was() {
    for of in Of::ALL {
        for site in Site::on_both_stores(limited) {
            let browser = site.visitor().await;
            let old = browser.session();
            let gate = site.store.hold(Step::Write);
            let (login, took) = timed(browser.get(&of.path("login"))).await;
            assert_eq!(login.status, 500, "{of:?}");
            assert_eq!(login.set_cookies(), [""; 0], "{of:?}");
            in_time(took);
            gate.open_for_all();
            soon("the new record's end", async {
                sleep(LIMIT).await;
                while site.store.len() != 1 {
                    sleep(LIMIT).await;
                }
            })
            .await;
            assert!(site.store.has(&old), "{of:?}");
            assert_eq!(browser.get("/visit").await.json(), 2, "{of:?}");
        }
    }
}

/// One whose old record goes late did: the cookie is set, and the old id is dead at once.
#[tokio::test(start_paused = true)]
async fn a_login_whose_old_record_goes_late_took_place() {
    for of in Of::ALL {
        let both = || Site::on_both_stores(limited).into_iter();
        for (comes_back, site) in
            [true, false].into_iter().flat_map(|comes_back| both().map(move |site| (comes_back, site)))
        {
            let browser = site.visitor().await;
            let old = browser.session();
            let gate = site.store.hold(Step::Delete);
            let (login, took) = timed(browser.get(&of.path("login"))).await;
            assert_eq!(login.status, 500, "{of:?}");
            in_time(took);
            let new = login.new_cookie();
            assert_eq!(client::get(&site.app, &of.path("who"), Some(&new)).await.json(), "Ada", "{of:?}");
            assert_eq!(client::get(&site.app, "/visit", Some(&new)).await.json(), 2, "{of:?}");
            for _ in 0..40 {
                assert_eq!(client::get(&site.app, "/visits", Some(&old)).await.json(), 0, "{of:?}");
                sleep(LIMIT).await;
            }
            site.store.recover();
            if comes_back {
                gate.open_for_all();
            }
            for _ in 0..40 {
                assert_eq!(client::get(&site.app, "/visits", Some(&old)).await.json(), 0, "{of:?}");
                sleep(LIMIT).await;
            }
            assert!(!site.store.has(&old) && site.store.has(&new), "{of:?}");
        }
    }
}

/// Another write can have begun meanwhile: that one is saved before the session ends.
#[tokio::test(start_paused = true)]
async fn a_logout_beside_a_save_that_has_come_back_is_the_last_word() {
    for site in Site::on_both_stores(limited) {
        let browser = site.visitor().await;
        let cookie = browser.session();
        let late = site.store.hold(Step::Write);
        assert_eq!(browser.get("/visit").await.status, 500);
        let leaving = site.store.hold(Step::Load);
        let logout = tokio::spawn(browser.get("/logout"));
        // The first load is for the handler, the second one for the end.
        leaving.reached().await;
        leaving.open();
        leaving.reached().await;
        site.store.recover();
        late.open_for_all();
        let answer = async || client::get(&site.app, "/visit", Some(&cookie)).await.status;
        while site.store.stored(&cookie, "user")["visits"] != 2 {
            yield_now().await;
        }
        let saving = site.store.hold(Step::Write);
        let both = async {
            saving.reached().await;
            leaving.open_for_all();
            for _ in 0..100 {
                yield_now().await;
            }
            saving.open_for_all();
        };
        assert_eq!(tokio::join!(answer(), both).0, 200);
        assert_eq!(logout.await.unwrap().status, 200);
        sleep(LIMIT).await;
        assert!(!site.store.has(&cookie), "its record is back");
        assert_eq!(client::get(&site.app, "/visits", Some(&cookie)).await.json(), 0);
    }
}

/// Calls of one session at once, on a store that is slower than they wait for, fails and loses answers, and a logout beside
/// them: when all has come back what is read is what is stored, all of it that was acknowledged, and nothing of what has
/// ended.
#[tokio::test(start_paused = true)]
async fn nothing_that_comes_back_is_at_odds_with_what_was_told() {
    for seed in 600..600 + short_or_long(60, 5_000) {
        for site in Site::on_both_stores(limited) {
            let site = Arc::new(site);
            let mut random = Random::of(seed);
            let cookie = site.visitor().await.session();
            let mut calls = JoinSet::new();
            for number in 0..16 {
                let (site, cookie) = (Arc::clone(&site), cookie.clone());
                let (begins, trouble) = (Duration::from_millis(random.below(6_000)), random.below(6));
                let pause = Duration::from_millis(random.below(2_500));
                let step = random.one_of(&[Step::Load, Step::HasLoaded, Step::Write, Step::Delete]);
                let path = match number {
                    0 if seed % 3 > 0 => "/logout",
                    _ => random.one_of(&["/visit", "/visit", "/visits", "/plain/visit"]),
                };
                calls.spawn(async move {
                    sleep(begins).await;
                    match trouble {
                        0 => site.store.fail_once(step),
                        1 => site.store.lose_answer_once(step),
                        2 => site.store.save_late_once(pause),
                        3 | 4 => site.store.slow(step, pause),
                        _ => site.store.recover(),
                    }
                    let answer = client::get(&site.app, path, Some(&cookie)).await;
                    // Of another session, after a logout.
                    let counts = answer.set_cookies().is_empty() || path == "/logout";
                    (path, answer.status == 200 && counts)
                });
            }
            let told = calls.join_all().await;
            let acknowledged = |path| told.iter().filter(|told| **told == (path, true)).count();
            site.store.recover();
            sleep(90 * LIMIT).await;
            let visits = async || client::get(&site.app, "/visits", Some(&cookie)).await.json();
            let stored = site.store.stored(&cookie, "user")["visits"].as_u64();
            assert_eq!(visits().await, stored.unwrap_or(0), "seed {seed}");
            if acknowledged("/logout") > 0 {
                assert_eq!(stored, None, "seed {seed}: it is back");
            } else if let Some(stored) = stored {
                assert!(stored > acknowledged("/visit") as u64, "seed {seed}: {stored}");
            }
        }
    }
}

/// What is at hand needs no time.
#[tokio::test]
async fn what_is_at_hand_is_never_late() {
    let layer = sessions(MemoryBackend::default()).with_backend_timeout(Duration::ZERO);
    let browser = Client::new(&App::new(parts(layer).router));
    for visits in 1..=3 {
        assert_eq!(browser.get("/visit").await.json(), visits);
    }
    browser.get("/login").await.ok();
    assert_eq!(browser.get("/who").await.json(), "Ada");
    browser.get("/logout").await.ok();
}
