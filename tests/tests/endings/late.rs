//! What comes late finds the session over, and the page begins another one.
//!
//! Clauses: 11.

use serde_json::{Value, json};
use socketioxide_session_tests::{
    client::{self, Client, Socket},
    fixture::site::Site,
    node::{Connect, OfficialClients, Transport},
};

#[tokio::test]
async fn a_late_http_handler_does_not_bring_the_session_back() {
    let Site { app, tools, store, .. } = Site::open();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    let late = client::get(&app, "/held", Some(&cookie));
    let meanwhile = async {
        tools.gate.reached().await;
        assert_eq!(socket.ask("logout", &[json!("now")]).await, "bye");
        tools.gate.open();
    };
    let (answer, ()) = tokio::join!(late, meanwhile);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(!store.has(&cookie));
}

#[tokio::test]
async fn a_logout_over_a_socket_is_acknowledged_and_then_ends_every_socket() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let Site { app, store, .. } = Site::open();
        let browser = Client::new(&app);
        browser.get("/visit").await.ok();
        let cookie = browser.session();
        let clients = OfficialClients::start();
        let connect = || Connect::to(&app, transport).browser("page").cookie(cookie.clone());
        // One alone comes back: what two see is the next test.
        let first = clients.connect(connect()).await;
        let second = clients.connect(connect().come_back()).await;
        assert_eq!(first.ask("logout", &[json!("now")]).await, "bye");
        for socket in [&first, &second] {
            assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]));
        }
        assert!(!store.has(&cookie));
        // The page comes back by itself, as nobody.
        assert_eq!(second.event("connect").await, json!([]));
        assert_eq!(second.ask("visits", &[]).await, 0);
        assert_eq!(client::get(&app, "/visits", Some(&cookie)).await.json(), 0);
    }
}

/// Two tabs of one browser come back at the same moment: each begins a session, and the browser keeps the later cookie.
#[tokio::test]
async fn two_tabs_that_begin_a_session_each_meet_in_one_over_polling() {
    let Site { app, .. } = Site::open();
    let clients = OfficialClients::start();
    let connect = |tab| clients.connect(Connect::to(&app, Transport::Polling).browser(tab).come_back());
    let first = connect("first").await;
    let second = connect("second").await;
    let later = second.cookie("id").await.expect("a session of its own");
    first.keep(&format!("id={later}")).await;
    // It is not what the first connection was bound to.
    assert_eq!(first.try_ask("visits", &[]).await, Err("socket has been disconnected".to_owned()));
    assert_eq!(first.event("disconnect").await, json!(["transport error"]));
    assert_eq!(first.event("connect").await, json!([]));
    assert_eq!(second.ask("visit", &[]).await, 1);
    assert_eq!(first.ask("visits", &[]).await, 1);
}

#[tokio::test]
async fn after_a_logout_over_a_socket_the_next_write_begins_anew() {
    let Site { app, store, .. } = Site::open();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let ended = browser.session();
    let mut socket = Socket::connect(&app, Some(&ended)).await;
    assert_eq!(socket.ask("logout", &[json!("now")]).await, "bye");
    socket.disconnected("/").await;
    // The browser still shows the cookie, which a socket cannot remove.
    assert_eq!(browser.get("/visits").await.json(), 0);
    browser.get("/visit").await.ok();
    assert_ne!(browser.session(), ended);
    assert!(store.has(&browser.session()) && !store.has(&ended));
    assert_eq!(browser.get("/visits").await.json(), 1);
}

#[tokio::test]
async fn a_handshake_with_a_just_ended_session_tries_again_and_then_begins_another() {
    let Site { app, store, .. } = Site::open();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    browser.get("/logout").await.ok();
    let Err(refused) = Socket::open(&app, Some(&cookie)).await else { panic!("no refusal") };
    assert_eq!(refused.0, 503, "{refused:?}");
    let mut tries = 0;
    let socket = loop {
        match Socket::open(&app, Some(&cookie)).await {
            Ok(socket) => break socket,
            Err(_) if tries < 40 => tries += 1,
            Err(error) => panic!("still refused: {error:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(socket.set_cookies.len(), 1, "a session of its own");
    assert!(!socket.set_cookies[0].starts_with(&cookie));
    assert!(!store.has(&cookie));
    assert_ne!(Value::Null, json!(socket.sid));
}
