//! A socket always has a session, unless the application turns that off.
//!
//! Clauses: 13.

use serde_json::Value;
use socketioxide_session_tests::{
    fixture::site::Site,
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    raw::{RawSocket, poll},
};

fn cookie_of(lines: &[String]) -> String {
    assert_eq!(lines.len(), 1, "one cookie: {lines:?}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(lines[0].contains(attribute), "{}", lines[0]);
    }
    lines[0].split(';').next().expect("a cookie").to_owned()
}

#[tokio::test]
async fn a_handshake_without_a_cookie_gets_one_of_a_session_that_is_stored() {
    let Site { app, store, .. } = Site::open();
    let polled = poll(&app, None).await;
    assert_eq!(polled.status, 200);
    assert!(store.has(&cookie_of(&polled.set_cookies())));
    let socket = RawSocket::open(&app, None).await.expect("a handshake");
    assert!(store.has(&cookie_of(&socket.set_cookies)));
    assert_eq!(store.len(), 2);
}

#[tokio::test]
async fn a_handshake_with_a_session_gets_no_other() {
    let Site { app, store, .. } = Site::open();
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    assert_eq!(poll(&app, Some(&cookie)).await.set_cookies(), [""; 0]);
    let socket = RawSocket::open(&app, Some(&cookie)).await.expect("a handshake");
    assert_eq!(socket.set_cookies, [""; 0]);
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn official_clients_get_a_session_that_their_next_request_knows() {
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let Site { app, store, .. } = Site::open();
        let clients = OfficialClients::start();
        let socket = clients.connect(Connect::to(&app, transport)).await;
        assert_eq!(socket.ask("visits", &[]).await, 0);
        let cookie = cookie_of(&socket.set_cookies().await);
        assert!(store.has(&cookie));
        assert_eq!(socket.ask("visit", &[]).await, 1);
        assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.json(), 1);
        http::get(&app, "/visit", Some(&cookie)).await.ok();
        assert_eq!(socket.ask("visits", &[]).await, 2);
        assert_eq!(store.len(), 1);
        // Nor does a second connection of the same browser get another.
        let second = clients.connect(Connect::to(&app, transport).cookie(cookie)).await;
        assert_eq!(second.ask("visits", &[]).await, 2);
        assert_eq!(second.set_cookies().await, [""; 0]);
    }
}

#[tokio::test]
async fn it_lives_shortly_until_something_is_written() {
    let Site { app, store, .. } = Site::open();
    let mut socket = RawSocket::connect(&app, None).await;
    let cookie = cookie_of(&socket.set_cookies);
    assert!(store.lives(&cookie) < time::Duration::hours(1));
    assert_eq!(socket.ask("visits", &[]).await, 0);
    assert!(store.lives(&cookie) < time::Duration::hours(1));
    assert_eq!(socket.ask("visit", &[]).await, 1);
    assert!(store.lives(&cookie) > time::Duration::days(1));
}

#[tokio::test]
async fn turned_off_a_socket_without_a_session_reads_defaults_and_cannot_write() {
    let Site { app, store, .. } = Site::with(|layer| layer.with_session_on_handshake(false));
    let clients = OfficialClients::start();
    for transport in [Transport::Polling, Transport::WebSocket] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        assert_eq!(socket.set_cookies().await, [""; 0]);
        assert_eq!(socket.ask("visits", &[]).await, 0);
        let answer = socket.ask("visit", &[]).await;
        assert_eq!(answer["code"], "no_session");
        assert_ne!(answer["error"], Value::Null);
    }
    assert!(store.is_empty());
}

#[tokio::test]
async fn turned_off_a_socket_with_a_session_works() {
    let Site { app, .. } = Site::with(|layer| layer.with_session_on_handshake(false));
    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let mut socket = RawSocket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("visit", &[]).await, 2);
}
