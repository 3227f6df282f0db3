//! The end is the end, however it came.
//!
//! Clauses: 11.

use futures_util::future::join_all;
use serde_json::{Value, json};
use socketioxide_session::testing::Packet;
use socketioxide_session_tests::{
    client::{self, Client, Socket, poll},
    fixture::site::{GUARDED, NAMESPACES, Of, Site, code, cookie_of, until},
    node::{Connect, OfficialClients, Transport},
};

/// A page with a socket in each namespace, and a second one.
async fn page(site: &Site) -> (Client, Socket, Socket) {
    let browser = site.visitor().await;
    let cookie = browser.session();
    let one = Socket::open(&site.app, Some(&cookie)).await.expect("a handshake");
    for namespace in NAMESPACES {
        one.join(namespace).await.expect("a connection");
    }
    let two = Socket::connect(&site.app, Some(&cookie)).await;
    (browser, one, two)
}

async fn are_ended(what: &str, site: &Site, cookie: &str, one: &mut Socket, two: &mut Socket) {
    for namespace in NAMESPACES {
        one.disconnected(namespace).await;
    }
    two.disconnected("/").await;
    assert_eq!(NAMESPACES.map(|namespace| site.sockets(namespace)), [0; 4], "{what}");
    assert!(!site.store.has(cookie), "{what}");
    // A CONNECT that is sent again on the connection that is still there.
    for namespace in GUARDED {
        let refused = one.join(namespace).await.expect_err("a session that is over");
        assert!(refused.contains("ended"), "{what} {namespace}: {refused}");
    }
}

#[tokio::test]
async fn over_http_every_socket_hears_it_and_only_that_response_removes_the_cookie() {
    for of in Of::ALL {
        let site = Site::open();
        let (browser, mut one, mut two) = page(&site).await;
        let cookie = browser.session();
        let beside = async { client::get(&site.app, "/visits?then=hold", Some(&cookie)).await };
        let logout = async {
            site.tools.door.reached().await;
            let answer = browser.get(&of.path("logout")).await;
            site.tools.door.open();
            answer
        };
        let (beside, logout) = tokio::join!(beside, logout);
        assert_eq!(beside.set_cookies(), [""; 0], "{of:?}");
        let lines = logout.set_cookies();
        assert!(
            lines.len() == 1 && lines[0].starts_with("id=;") && lines[0].contains("Max-Age=0"),
            "{lines:?}"
        );
        assert_eq!(browser.cookie(), None, "{of:?}");
        are_ended("a logout", &site, &cookie, &mut one, &mut two).await;
        for path in ["/who", "/plain/who", "/auth/who"] {
            let late = client::get(&site.app, path, Some(&cookie)).await;
            assert_eq!((late.set_cookies(), late.json()), (vec![], Value::Null), "{of:?} {path}");
        }
    }
}

#[tokio::test]
async fn over_a_socket_the_acknowledgement_comes_first() {
    let site = Site::open();
    let (browser, mut one, mut two) = page(&site).await;
    assert_eq!(one.ask("logout", &[json!("now")]).await, "bye");
    assert_eq!(one.unasked().len(), 0, "nothing before the acknowledgement");
    are_ended("a logout over a socket", &site, &browser.session(), &mut one, &mut two).await;

    let clients = OfficialClients::start();
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let browser = site.visitor().await;
        let first = clients.connect(Connect::to(&site.app, transport).cookie(browser.session())).await;
        let over = Connect::to(&site.app, transport).namespace("/shop").over(&first).browser("none");
        let shop = clients.connect(over).await;
        assert_eq!(shop.ask("logout", &[json!("now")]).await, "bye", "{transport:?}");
        for socket in [&first, &shop] {
            assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]), "{transport:?}");
        }
    }
}

/// Events before a logout over a socket, and it, are acknowledged before the end although events come after it and find
/// the session ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_socket_with_events_before_and_after_it_all_are_answered() {
    let site = Site::open();
    for round in 0..20 {
        let (_, mut one, two) = page(&site).await;
        let numbers = one.ask_all_later(&[&["visit"; 16][..], &["leave"], &["visit"; 3]].concat()).await;
        for number in &numbers[..16] {
            let answer = one.answer("/", *number).await;
            assert!(answer.is_u64(), "round {round}, event {number}: {answer}");
        }
        assert_eq!(one.answer("/", numbers[16]).await, "bye", "round {round}");
        let is_end = |packet: &Packet| matches!(packet, Packet::Disconnect { .. });
        assert!(!one.unasked().iter().any(is_end), "round {round}: its end came before an answer");
        one.disconnected("/").await;
        two.disconnected("/").await;
    }
}

#[tokio::test]
async fn it_is_carried_out_though_its_handler_fails() {
    for path in [
        "/logout?status=500",
        "/logout?status=0",
        "/logout/err",
        "/plain/logout?status=500",
        "/auth/logout?status=500",
    ] {
        let site = Site::open();
        let (browser, mut one, mut two) = page(&site).await;
        let cookie = browser.session();
        let answer = browser.get(path).await;
        assert!(answer.status >= 400, "{path}");
        assert_eq!(browser.cookie(), None, "{path}");
        are_ended(path, &site, &cookie, &mut one, &mut two).await;
    }
    for how in ["fail", "panic"] {
        let site = Site::open();
        let (browser, mut one, mut two) = page(&site).await;
        let answer = two.ask("logout", &[json!(how)]).await;
        assert!(answer["error"].is_string(), "{how}: {answer}");
        are_ended(how, &site, &browser.session(), &mut one, &mut two).await;
    }
}

#[tokio::test]
async fn it_is_carried_out_though_its_client_leaves() {
    for path in ["/logout/held", "/plain/logout?then=hold", "/auth/logout?then=hold", "/logout?then=slow"] {
        let site = Site::open();
        let (browser, mut one, mut two) = page(&site).await;
        let logout = client::begin(&site.app, path, Some(&browser.session()));
        let place = if path == "/logout/held" { &site.tools.gate } else { &site.tools.door };
        place.reached().await;
        drop(logout);
        are_ended(path, &site, &browser.session(), &mut one, &mut two).await;
    }
    let site = Site::open();
    let (browser, mut one, mut two) = page(&site).await;
    let leaver = Socket::connect(&site.app, Some(&browser.session())).await;
    leaver.emit("logout", &[json!("hold")]).await;
    site.tools.gate.reached().await;
    leaver.vanish();
    until("the leaver's end", || site.sockets("/") == 2).await;
    site.tools.gate.open();
    are_ended("a socket that left", &site, &browser.session(), &mut one, &mut two).await;
}

#[tokio::test]
async fn a_handshake_in_flight_is_refused_afterwards() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let cookie = browser.session();
        let in_flight = Socket::open(&site.app, Some(&cookie)).await.expect("a handshake");
        browser.get(&of.path("logout")).await.ok();
        for namespace in GUARDED {
            let refused = in_flight.join(namespace).await.expect_err("a session that is over");
            assert!(refused.contains("ended"), "{of:?} {namespace}: {refused}");
        }
        assert_eq!(NAMESPACES.map(|namespace| site.sockets(namespace)), [0; 4]);
        assert_eq!(poll(&site.app, Some(&cookie)).await.status, 503, "{of:?}");
    }
}

#[tokio::test]
async fn a_slow_handler_across_it_saves_nothing_and_is_told() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let cookie = browser.session();
        let mut socket = Socket::connect(&site.app, Some(&cookie)).await;
        client::get(&site.app, "/background", Some(&cookie)).await.ok();
        site.tools.gate.reached().await;
        let number = socket.ask_later("/", "held", &[]).await;
        site.tools.gate.reached().await;
        let plain = async { client::get(&site.app, "/plain/held", Some(&cookie)).await };
        let logout = async {
            site.tools.gate.reached().await;
            let logout = site.head(&format!("{}?then=slow", of.path("logout")), Some(&cookie)).await;
            assert!(cookie_of(&logout).starts_with("id="));
            assert!(site.store.is_empty());
            assert_eq!(site.in_room("/plain", "plain") + site.in_room("/", "members"), 0);
            site.tools.gate.open_for_all();
            assert_eq!(code(&socket.answer("/", number).await), "session_ended", "{of:?}");
            assert_eq!(code(&socket.ask("visit", &[]).await), "session_ended", "{of:?}");
            site.tools.door.open();
            logout.text().await.expect("a body");
            socket.disconnected("/").await;
        };
        let (plain, ()) = tokio::join!(plain, logout);
        assert_eq!((plain.status, plain.set_cookies()), (409, vec![]), "{of:?}: {}", plain.body);
        until("the background task", || !site.tools.noted().is_empty()).await;
        let ended = r#"background Err("session_ended") Err("session_ended")"#;
        assert!(site.tools.noted().contains(&ended.to_owned()), "{of:?}: {:?}", site.tools.noted());
        assert!(site.store.is_empty(), "{of:?}");
    }
}

/// (Tabs that come back over polling at one moment, without a cookie, are given a session each, of which the browser
/// keeps the last; the others' next polls are refused, and they come back once more. So three over WebSocket, one over
/// polling.)
#[tokio::test]
async fn every_tab_hears_a_logout_and_comes_back_as_nobody() {
    for (transport, tabs) in [(Transport::WebSocket, 3), (Transport::Polling, 1)] {
        let site = Site::open();
        let clients = OfficialClients::start();
        let browser = site.visitor().await;
        browser.get("/login").await.ok();
        let cookie = browser.session();
        let tab = || Connect::to(&site.app, transport).browser("tabs").cookie(&*cookie).come_back();
        let tabs = join_all((0..tabs).map(|_| clients.connect(tab()))).await;
        for tab in &tabs {
            assert_eq!(tab.ask("who", &[]).await, "Ada");
        }
        assert_eq!(client::get(&site.app, "/logout", Some(&cookie)).await.set_cookies().len(), 1);
        // What the removal does to the browser's cookies.
        tabs[0].keep("id=").await;
        for tab in &tabs {
            assert_eq!(tab.event("session_ended").await, json!([{ "reason": "logout" }]), "{transport:?}");
            let ended = tab.event("disconnect").await;
            // A poll brings the one; the next, without the cookie, is not let in.
            let expected = match transport {
                Transport::Polling => "transport error",
                _ => "io server disconnect",
            };
            assert_eq!(ended, json!([expected]), "{transport:?}");
            assert_eq!(tab.event("connect").await, json!([]));
            assert_eq!(tab.ask("who", &[]).await, Value::Null, "{transport:?}");
        }
        assert!(!site.store.has(&cookie));
    }
}

#[tokio::test]
async fn a_stranger_hears_nothing_of_it() {
    let site = Site::open();
    let (browser, _one, _two) = page(&site).await;
    let mut stranger = Socket::connect(&site.app, None).await;
    browser.get("/logout").await.ok();
    until("the end of the others", || site.sockets("/") == 1).await;
    assert_eq!(stranger.ask("visit", &[]).await, 1);
    let heard = stranger.unasked();
    assert!(heard.is_empty(), "{heard:?}");
}
