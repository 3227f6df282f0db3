//! What two calls want of one session's life at the same time, and what one wants of a session in which nothing is
//! written yet: each changes only what it was asked for.
//!
//! Clauses: 7, 11, 13.

use std::time::Duration;

use socketioxide_session_tests::{
    client::{self, Socket},
    fixture::site::{Of, Site, nothing},
};
use time::Duration as Life;

/// The cookie of a session that a handshake began and in which nothing is written, and its socket.
async fn unwritten(site: &Site) -> (Socket, String) {
    let socket = Socket::connect(&site.app, None).await;
    let cookie = socket.set_cookies[0].split(';').next().map(str::to_owned);
    let cookie = cookie.filter(|cookie| site.store.lives(cookie) <= Life::minutes(10));
    (socket, cookie.expect("the cookie of an unwritten session"))
}

/// A site where each call that is activity writes that.
fn touchy() -> Site {
    Site::with(|layer| layer.with_touch_interval(Duration::ZERO))
}

#[tokio::test]
async fn a_reader_does_not_cut_what_a_first_write_beside_it_made_long() {
    let site = touchy();
    let (_socket, cookie) = unwritten(&site).await;
    let reads = client::get(&site.app, "/who/held", Some(&cookie));
    let writes = async {
        site.tools.gate.reached().await;
        client::get(&site.app, "/visit", Some(&cookie)).await.ok();
        site.tools.gate.open();
    };
    let (answer, ()) = tokio::join!(reads, writes);
    answer.ok();
    assert!(site.store.lives(&cookie) > Life::days(13), "{}", site.store.lives(&cookie));
}

#[tokio::test]
async fn a_reader_does_not_undo_an_expiry_that_was_set_beside_it() {
    let site = touchy();
    let (_socket, cookie) = unwritten(&site).await;
    let reads = client::get(&site.app, "/who/held", Some(&cookie));
    let sets = async {
        site.tools.gate.reached().await;
        client::get(&site.app, "/renew", Some(&cookie)).await.ok();
        site.tools.gate.open();
    };
    let (answer, ()) = tokio::join!(reads, sets);
    answer.ok();
    let lives = site.store.lives(&cookie);
    assert!(lives > Life::hours(23) && lives <= Life::DAY, "{lives}");
}

#[tokio::test]
async fn a_first_write_does_not_undo_an_expiry_that_was_set_beside_it() {
    let site = Site::open();
    let (_socket, cookie) = unwritten(&site).await;
    let writes = client::get(&site.app, "/held", Some(&cookie));
    let sets = async {
        site.tools.gate.reached().await;
        client::get(&site.app, "/renew", Some(&cookie)).await.ok();
        site.tools.gate.open();
    };
    let (answer, ()) = tokio::join!(writes, sets);
    answer.ok();
    let lives = site.store.lives(&cookie);
    assert!(lives > Life::hours(23) && lives <= Life::DAY, "{lives}");
}

#[tokio::test]
async fn an_expiry_that_is_set_holds_in_an_unwritten_session() {
    let site = Site::open();
    let (mut socket, cookie) = unwritten(&site).await;
    client::get(&site.app, "/renew", Some(&cookie)).await.ok();
    let lives = site.store.lives(&cookie);
    assert!(lives > Life::hours(23) && lives <= Life::DAY, "{lives}");
    // And it stays.
    assert_eq!(socket.ask("login", &["Ada".into()]).await, nothing());
    let lives = site.store.lives(&cookie);
    assert!(lives > Life::hours(23) && lives <= Life::DAY, "{lives}");
}

#[tokio::test]
async fn a_login_gives_an_unwritten_session_its_full_life() {
    for of in Of::ALL {
        let site = Site::open();
        let (_socket, cookie) = unwritten(&site).await;
        let new = client::get(&site.app, &of.path("login"), Some(&cookie)).await.new_cookie();
        assert!(site.store.lives(&new) > Life::days(13), "{of:?}");
    }
}
