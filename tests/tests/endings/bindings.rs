//! The tie between sockets and their session: in all namespaces, over several connections, and nothing left of it.
//!
//! Clauses: 10, 11.

use std::time::Duration;

use serde_json::{Value, json};
use socketioxide::socket::DisconnectReason;
use socketioxide_session::{MemoryBackend, testing::Packet};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::site::{NAMESPACES, Parts, Site, parts, until},
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    process::{Process, is_again, serve_parent},
    raw::RawSocket,
    soak::short_or_long,
    soon,
};

#[tokio::test]
async fn sockets_of_all_namespaces_and_connections_end_with_the_session_or_its_id() {
    for end in ["/logout", "/login", "/plain/logout", "/plain/login", "/auth/login"] {
        let site = Site::open();
        let browser = site.visitor().await;
        let cookie = browser.session();
        let one = Socket::open(&site.app, Some(&cookie)).await.expect("a handshake");
        for namespace in NAMESPACES {
            one.join(namespace).await.expect("a connection");
        }
        let other = Socket::open(&site.app, Some(&cookie)).await.expect("a handshake");
        other.join("/shop").await.expect("a connection");
        let clients = OfficialClients::start();
        let polling = clients.connect(Connect::to(&site.app, Transport::Polling).cookie(&*cookie)).await;
        let second =
            Connect::to(&site.app, Transport::Polling).namespace("/shop").over(&polling).browser("none");
        let polling_shop = clients.connect(second).await;
        let mut stranger = Socket::connect(&site.app, None).await;
        assert_eq!(site.sockets("/") + site.sockets("/shop"), 6);

        browser.get(end).await.ok();
        for namespace in NAMESPACES {
            one.disconnected(namespace).await;
        }
        other.disconnected("/shop").await;
        for socket in [&polling, &polling_shop] {
            assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]), "{end}");
        }
        // Each socket's own disconnect handler ran, once.
        let reason = DisconnectReason::ServerNSDisconnect;
        let mut ends: Vec<_> = ["/", "/", "/alive", "/plain", "/shop", "/shop", "/shop"]
            .map(|ns| format!("{ns} {reason:?}"))
            .into();
        ends.sort();
        until("seven ends", || site.tools.noted().len() >= 7).await;
        assert_eq!(site.tools.noted(), ends, "{end}");
        // And nobody else's.
        assert_eq!(stranger.ask("visit", &[]).await, 1, "{end}");
        assert_eq!(NAMESPACES.map(|namespace| site.sockets(namespace)), [1, 0, 0, 0], "{end}");
    }
}

#[tokio::test]
async fn the_disconnect_handler_is_the_users_own_and_may_name_states() {
    let site = Site::open();
    let browser = site.visitor().await;
    let mut socket = Socket::connect(&site.app, Some(&browser.session())).await;
    socket.emit("leave a mark", &[]).await;
    assert_eq!(socket.ask("visits", &[]).await, 1);
    socket.leave().await;
    soon("the mark", async { while browser.get("/visits").await.json() != 101 {} }).await;
}

#[tokio::test]
async fn rooms_are_named_by_a_key_that_stays_and_opens_nothing() {
    let site = Site::open();
    let browser = site.visitor().await;
    let old = browser.session();
    let mut socket = Socket::connect(&site.app, Some(&old)).await;
    let mut stranger = Socket::connect(&site.app, None).await;
    let key = socket.ask("key", &[]).await.as_str().expect("a key").to_owned();
    assert_ne!(stranger.ask("key", &[]).await, key);
    assert_eq!(site.in_room("/", &key), 1);

    browser.get("/login").await.ok();
    socket.disconnected("/").await;
    let mut socket = Socket::connect(&site.app, Some(&browser.session())).await;
    assert_eq!(socket.ask("key", &[]).await, key);
    assert_eq!((site.in_room("/", &key), site.in_room("/", "members")), (1, 1));
    site.io.to(key.clone()).emit("news", &"for Ada").await.expect("an event that leaves");
    assert_eq!(socket.event("news").await, [json!("for Ada")]);
    stranger.ask("visits", &[]).await;
    assert!(!stranger.unasked().iter().any(|packet| matches!(packet, Packet::Event { .. })));

    // Whoever knows the key knows nothing.
    assert!(!old.contains(&key) && !browser.session().contains(&key));
    let shown = format!("id={key}");
    assert_eq!(client::get(&site.app, "/who", Some(&shown)).await.json(), Value::Null);
    let opened = Socket::open(&site.app, Some(&shown)).await.expect("a handshake of nobody");
    assert_eq!(opened.set_cookies.len(), 1);
}

const AT_ONCE: usize = 8;

/// KiB that the allocator and the system may add by themselves. A leak of one binding a socket is 1.1 KiB a connection.
const NOISE: u64 = 1_000;

/// The server has a process of its own, so that what is measured is the server's memory alone.
#[tokio::test]
async fn connections_leave_nothing_behind() {
    if is_again() {
        let Parts { router, .. } = parts(sessions(MemoryBackend::default()));
        return serve_parent(router).await;
    }
    let mut server = Process::again("bindings::connections_leave_nothing_behind");
    let app = server.app().await;

    let browser = Browser::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let (warm_up, count) = short_or_long((400, 1_200), (2_400, 40_000));
    cycles(&app, &cookie, warm_up).await;
    let before = server.memory("VmRSS");
    cycles(&app, &cookie, count).await;
    let after = server.memory("VmRSS");
    assert_eq!(browser.get("/sockets").await.json(), 0);
    assert_eq!(browser.get("/visits").await.json(), warm_up + count + 1);
    println!("{count} connections: {before} KiB before, {after} KiB after");
    assert!(after <= before + NOISE, "{before} KiB before, {after} KiB after");
}

/// Connects, says something, and goes: politely, without a word, or from two namespaces.
async fn cycles(app: &App, cookie: &str, count: usize) {
    let clients = (0..AT_ONCE).map(|client| async move {
        for cycle in 0..count / AT_ONCE {
            let mut socket = RawSocket::connect(app, Some(cookie)).await;
            if cycle % 2 == 0 {
                socket.join("/shop").await.expect("a connection");
                socket.join("/alive").await.expect("a connection");
            }
            socket.ask("visit", &[]).await;
            if (cycle + client) % 3 == 0 { socket.vanish() } else { socket.leave().await }
        }
    });
    futures_util::future::join_all(clients).await;
    // Until the last ones are really gone.
    soon("an empty house", async {
        while http::get(app, "/sockets", None).await.json() != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
