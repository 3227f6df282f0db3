//! A store that was asked to write and failed may have written: nobody is told that nothing was saved, and nothing is
//! undone that may have succeeded.
//!
//! Clauses: 6, 10, 11.

use std::time::Duration;

use axum::{Router, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{Error, Shared, StoreBackend};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client},
    fixture::site::{Of, Site, User, code},
    http::Answer,
    soon,
    stores::{Step, TestStore},
};

fn is_unknown(answer: &Answer) {
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(!answer.headers.contains_key("retry-after"), "who tries again may count twice");
    assert!(!answer.body.contains("the test"), "a store's own text is nobody's business: {}", answer.body);
}

async fn name(site: &Site, of: Of, cookie: &str) -> Value {
    client::get(&site.app, &of.path("who"), Some(cookie)).await.json()
}

/// A visitor whom every login and logout knows.
async fn visitor(site: &Site) -> Client {
    let browser = site.visitor().await;
    browser.get("/plain/visit").await.ok();
    browser
}

#[tokio::test]
async fn a_save_that_took_place_and_failed_is_not_told_to_have_saved_nothing() {
    let site = Site::open();
    let browser = site.visitor().await;
    let cookie = browser.session();
    let mut socket = browser.socket().await;
    site.store.lose_answers(Step::Write);
    is_unknown(&browser.get("/visit").await);
    assert_eq!(site.store.stored(&cookie, "user")["visits"], 2);
    assert_eq!(code(&socket.ask("visit", &[]).await), "outcome_unknown");
    is_unknown(&browser.get("/plain/visit").await);
    assert_eq!(site.store.stored(&cookie, "plain visits"), 1);
    site.store.recover();
    assert_eq!(browser.get("/visit").await.json(), 4);
}

#[tokio::test]
async fn nor_is_one_that_says_only_that_it_failed() {
    let site = Site::open();
    let browser = site.visitor().await;
    site.store.break_down(Step::Write);
    for path in ["/visit", "/plain/visit", "/login", "/renew"] {
        is_unknown(&browser.get(path).await);
    }
    // What could not even be read was not written.
    site.store.recover();
    site.store.break_down(Step::Load);
    for path in ["/visit", "/who", "/logout"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.headers.contains_key("retry-after"), "{path}");
    }
    site.store.recover();
    assert_eq!(browser.get("/visit").await.json(), 2);
}

/// A session whose beginning was not answered is nobody's: its visitor begins another one, also in the same request.
#[tokio::test]
async fn a_session_that_may_have_begun_is_begun_once_more() {
    let site = Site::open();
    let browser = Client::new(&site.app);
    site.store.lose_answer_once(Step::Write);
    let answer = browser.get("/visit").await;
    is_unknown(&answer);
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(browser.get("/visit").await.json(), 1);

    let store = TestStore::default();
    let twice = async |shared: Shared<User>| -> Result<String, Error> {
        let first = shared.update(|user| user.visits += 1).await.map_err(|error| error.kind().code());
        shared.update(|user| user.visits += 1).await?;
        Ok(format!("{first:?} {}", shared.read().await?.visits))
    };
    let routes = Router::new().route("/", get(twice));
    let app = App::new(routes.layer(sessions(StoreBackend::new(store.clone()))));
    store.lose_answer_once(Step::Write);
    let answer = client::get(&app, "/", None).await;
    let cookie = answer.new_cookie();
    assert_eq!(answer.ok(), "Err(\"outcome_unknown\") 1");
    assert_eq!(store.stored(&cookie, "user")["visits"], 1);
}

/// `cycle_id` puts the new record in place and then deletes the old one. A deletion that took place and was not answered
/// must not take the new record along.
#[tokio::test]
async fn a_login_is_not_undone_because_the_old_record_may_still_be_there() {
    for of in Of::ALL {
        for always in [false, true] {
            let site = Site::open();
            let browser = visitor(&site).await;
            let old = browser.session();
            if always {
                site.store.lose_answers(Step::Delete);
            } else {
                site.store.lose_answer_once(Step::Delete);
            }
            let login = browser.get(&of.path("login")).await;
            let new = login.new_cookie();
            login.ok();
            assert_eq!(name(&site, of, &new).await, "Ada", "{of:?}");
            assert_eq!(name(&site, of, &old).await, json!(null), "{of:?}");
            assert_eq!(site.store.len(), 1, "{of:?}");
        }
    }
}

/// Where the old record cannot be deleted the session goes on under its new id, whose cookie is set; the old id is dead
/// all the same, for as long as it takes to delete it. That it may not be is told.
#[tokio::test(start_paused = true)]
async fn a_login_whose_old_record_stays_goes_on_under_its_new_id() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = visitor(&site).await;
        let old = browser.session();
        site.store.break_down(Step::Delete);
        let login = browser.get(&of.path("login")).await;
        is_unknown(&login);
        let new = login.new_cookie();
        assert_eq!(name(&site, of, &new).await, "Ada", "{of:?}");
        assert!(site.store.has(&old), "{of:?}");
        for _ in 0..10 {
            assert_eq!(client::get(&site.app, "/visits", Some(&old)).await.json(), 0, "{of:?}");
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        assert!(site.store.has(&old) && site.store.has(&new), "{of:?}");
        site.store.recover();
        soon("the old record's end", async {
            while site.store.has(&old) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
        assert_eq!(name(&site, of, &new).await, "Ada", "{of:?}");
    }
}

#[tokio::test]
async fn a_logout_that_took_place_is_one() {
    for of in Of::ALL {
        for always in [false, true] {
            let site = Site::open();
            let browser = visitor(&site).await;
            if always {
                site.store.lose_answers(Step::Delete);
            } else {
                site.store.lose_answer_once(Step::Delete);
            }
            let logout = browser.get(&of.path("logout")).await;
            assert_eq!(logout.set_cookies().len(), 1, "{of:?}");
            logout.ok();
            assert!(site.store.is_empty(), "{of:?}");
        }
        // One that did not is none, and can be tried again.
        let site = Site::open();
        let browser = visitor(&site).await;
        let cookie = browser.session();
        site.store.break_down(Step::Delete);
        let logout = browser.get(&of.path("logout")).await;
        is_unknown(&logout);
        assert_eq!(logout.set_cookies(), [""; 0], "{of:?}");
        assert_eq!(client::get(&site.app, "/visits", Some(&cookie)).await.json(), 1);
        site.store.recover();
        browser.get(&of.path("logout")).await.ok();
        assert!(site.store.is_empty(), "{of:?}");
    }
}
