//! Session fixation, played: an attacker plants an id in the victim's browser, and waits for the victim to log in.
//!
//! Clauses: 10.

use serde_json::{Value, json};
use socketioxide_session::testing::Packet;
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client, Socket, poll},
    fixture::site::{GUARDED, Of, Parts, Site, parts},
    node::{Connect, OfficialClients, Transport},
};

#[tokio::test]
async fn who_knew_the_id_before_the_login_sees_and_changes_nothing_after_it() {
    for of in Of::ALL {
        let site = Site::open();

        // The attacker has a session, and everything that can be opened with it.
        let attacker = site.visitor().await;
        let planted = attacker.session();
        let mut socket = Socket::open(&site.app, Some(&planted)).await.expect("a handshake");
        for namespace in GUARDED {
            socket.join(namespace).await.expect("a connection");
        }
        let key = socket.ask("key", &[]).await.as_str().expect("a key").to_owned();
        let not_joined = Socket::open(&site.app, Some(&planted)).await.expect("a handshake");
        let polled = poll(&site.app, Some(&planted)).await.ok();
        let opening: Value = serde_json::from_str(&polled[1..]).expect("the opening's JSON");
        let poll_on =
            format!("/socket.io/?EIO=4&transport=polling&sid={}", opening["sid"].as_str().expect("a sid"));
        let held = async { client::get(&site.app, "/held", Some(&planted)).await };

        let play = async {
            site.tools.gate.reached().await;
            // The victim comes with the attacker's cookie, and logs in.
            let victim = Client::new(&site.app);
            victim.keep(&planted);
            assert_eq!(victim.get("/visit").await.json(), 2);
            let own = victim.get(&of.path("login")).await.new_cookie();
            let mut page = Socket::connect(&site.app, Some(&own)).await;
            assert_eq!(page.ask("visit", &[]).await, 3);

            // Nothing that the attacker has opened hears of it.
            let room = site.io.of("/").expect("a namespace").within(key.clone());
            room.emit("secret", &"for the victim").await.expect("an event that leaves");
            assert_eq!(page.event("secret").await, [json!("for the victim")]);
            for namespace in GUARDED {
                socket.disconnected(namespace).await;
            }
            let pushed =
                |packet: &Packet| matches!(packet, Packet::Event { name, .. } if name != "session_ended");
            assert!(!socket.unasked().iter().any(pushed));
            for namespace in GUARDED {
                assert!(socket.join(namespace).await.is_err(), "{of:?} {namespace}");
                assert!(not_joined.join(namespace).await.is_err(), "{of:?} {namespace}");
            }
            assert_eq!((site.in_room("/", &key), site.sockets("/")), (1, 1), "{of:?}");

            // Nor does anything that is tried now.
            for path in ["/who", "/plain/who", "/auth/who"] {
                assert_eq!(client::get(&site.app, path, Some(&planted)).await.json(), Value::Null, "{path}");
            }
            for path in ["/visit", "/plain/visit"] {
                assert_eq!(client::get(&site.app, path, Some(&planted)).await.status, 409, "{path}");
            }
            // A login of the attacker's begins a session of his own, with nothing in it.
            for path in ["/login?name=Eve", "/plain/login?name=Eve", "/auth/login?name=Eve"] {
                let eves = client::get(&site.app, path, Some(&planted)).await.new_cookie();
                assert!(eves != own && eves != planted, "{path}");
                assert_eq!(client::get(&site.app, "/visits", Some(&eves)).await.json(), 0, "{path}");
            }
            for path in ["/logout", "/plain/logout", "/auth/logout"] {
                let answer = client::get(&site.app, path, Some(&planted)).await;
                assert_eq!(answer.set_cookies(), [""; 0], "{path}");
            }
            assert_eq!(poll(&site.app, Some(&planted)).await.status, 503);
            assert_eq!(
                Socket::open(&site.app, Some(&planted)).await.err().map(|(status, _)| status),
                Some(503)
            );
            // The connection that polls is the planted id's for ever: not the victim's.
            assert_eq!(client::get(&site.app, &poll_on, Some(&own)).await.status, 403);
            let by_key = client::get(&site.app, "/who", Some(&format!("id={key}"))).await;
            assert_eq!(by_key.json(), Value::Null);

            site.tools.gate.open();
            (victim, page)
        };
        let (held, (victim, mut page)) = tokio::join!(held, play);
        assert_eq!((held.status, held.set_cookies()), (409, vec![]), "{of:?}");
        assert_eq!(victim.get(&of.path("who")).await.json(), "Ada", "{of:?}");
        assert_eq!(victim.get("/visits").await.json(), 3, "{of:?}");
        assert_eq!(page.ask("visit", &[]).await, 4, "{of:?}");
        assert_eq!(site.store.len(), 4, "{of:?}: the victim's and the attacker's own three");
    }
}

#[tokio::test]
async fn the_attackers_official_client_comes_back_as_nobody_at_best() {
    let site = Site::open();
    let attacker = site.visitor().await;
    let planted = attacker.session();
    let clients = OfficialClients::start();
    let connect = Connect::to(&site.app, Transport::WebSocket).cookie(&*planted).come_back();
    let socket = clients.connect(connect).await;
    let victim = Client::new(&site.app);
    victim.keep(&planted);
    victim.get("/login").await.ok();
    assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]));
    // It tries to come back, with the only cookie that it knows.
    let error = socket.event("connect_error").await;
    assert_eq!(error[0], "websocket error");
    assert!(!socket.is_connected().await);
    assert_eq!(victim.get("/who").await.json(), "Ada");
}

/// An id that was changed is remembered for some seconds; after that it is one that never was.
#[tokio::test(start_paused = true)]
async fn nor_does_waiting_help() {
    let Parts { router, io, .. } = parts(sessions(socketioxide_session::MemoryBackend::default()));
    let app = App::new(router);
    let planted = client::get(&app, "/visit", None).await.new_cookie();
    let mut socket = Socket::polling(&app, Some(&planted)).await;
    let own = client::get(&app, "/login", Some(&planted)).await.new_cookie();
    assert_eq!(socket.ask("who", &[]).await["code"], "id_changed");
    for minutes in [1, 10, 60] {
        tokio::time::sleep(std::time::Duration::from_mins(minutes)).await;
        let who = client::get(&app, "/who", Some(&planted)).await;
        assert_eq!((who.set_cookies(), who.json()), (vec![], Value::Null));
        let visit = client::get(&app, "/visit", Some(&planted)).await;
        assert_ne!(visit.new_cookie(), planted);
        assert_eq!(visit.json(), 1);
        let again = client::get(&app, "/who", Some(&own)).await;
        assert_eq!(again.json(), "Ada");
    }
    assert_eq!(io.sockets().len(), 0);
}
