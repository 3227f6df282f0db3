//! Before a socket is disconnected with its session, its client hears `session_ended` and why, in each namespace.
//!
//! Clauses: 11.

use std::time::Duration;

use serde_json::{Value, json};
use socketioxide_session::{Expiry, MemoryBackend, testing::Packet};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Socket},
    fixture::site::{NAMESPACES, Site, parts},
    node::{Connect, OfficialClients, Transport},
};

/// What a namespace hears of the end, in its order: the reason, and then its end.
fn of_namespace(heard: &[Packet], namespace: &str) -> Vec<Value> {
    let told = heard.iter().filter_map(|packet| match packet {
        Packet::Event { namespace: of, name, args, .. } if of == namespace && name == "session_ended" => {
            Some(json!(args))
        }
        Packet::Disconnect { namespace: of } if of == namespace => Some(json!("disconnected")),
        _ => None,
    });
    told.collect()
}

/// All that comes until every namespace has ended.
async fn heard(socket: &Socket, namespaces: &[&str]) -> Vec<Packet> {
    let (mut heard, mut open) = (Vec::new(), namespaces.len());
    while open > 0 {
        let packet = socket.next().await.expect("a connection until its namespaces have ended");
        open -= usize::from(matches!(packet, Packet::Disconnect { .. }));
        heard.push(packet);
    }
    heard
}

#[tokio::test]
async fn a_logout_and_a_login_say_so_in_every_namespace() {
    for (path, reason) in [("/logout", "logout"), ("/login?name=Ada", "id_changed")] {
        let site = Site::open();
        let browser = site.visitor().await;
        let socket = Socket::open(&site.app, browser.cookie().as_deref()).await.expect("a handshake");
        for namespace in NAMESPACES {
            socket.join(namespace).await.expect("a connection");
        }
        browser.get(path).await;
        let heard = heard(&socket, &NAMESPACES).await;
        for namespace in NAMESPACES {
            let told = of_namespace(&heard, namespace);
            assert_eq!(told, [json!([{ "reason": reason }]), json!("disconnected")], "{path} {namespace}");
        }
    }
}

#[tokio::test]
async fn the_acting_socket_has_its_acknowledgement_first() {
    let site = Site::open();
    let browser = site.visitor().await;
    let mut socket = Socket::connect(&site.app, browser.cookie().as_deref()).await;
    let number = socket.ask_later("/", "logout", &[json!("now")]).await;
    let heard = heard(&socket, &["/"]).await;
    let at = |wanted: &dyn Fn(&Packet) -> bool| heard.iter().position(wanted).expect("it was heard");
    let answered = at(&|packet| matches!(packet, Packet::Ack { id, .. } if *id == number));
    let told = at(&|packet| matches!(packet, Packet::Event { name, .. } if name == "session_ended"));
    assert!(answered < told, "{heard:?}");
    assert_eq!(of_namespace(&heard, "/")[0], json!([{ "reason": "logout" }]));
}

#[tokio::test(start_paused = true)]
async fn expiry_says_so() {
    let hour = Expiry::OnInactivity(time::Duration::hours(1));
    let app = App::new(parts(sessions(MemoryBackend::default()).with_expiry(hour)).router);
    let cookie = client::get(&app, "/visit", None).await.new_cookie();
    let socket = Socket::polling(&app, Some(&cookie)).await;
    assert!(!socket.listen(Duration::from_mins(61)).await);
    let told = socket.unasked();
    assert_eq!(of_namespace(&told, "/"), [json!([{ "reason": "expired" }])], "{told:?}");
}

/// It is gone without a word, as an event finds out.
#[tokio::test]
async fn so_does_what_is_gone() {
    let site = Site::open();
    let browser = site.visitor().await;
    let mut socket = Socket::connect(&site.app, browser.cookie().as_deref()).await;
    site.store.expire(&browser.session());
    socket.ask("visits", &[]).await;
    let heard = heard(&socket, &["/"]).await;
    assert_eq!(of_namespace(&heard, "/"), [json!([{ "reason": "expired" }]), json!("disconnected")]);
}

#[tokio::test]
async fn the_official_client_hears_it_and_then_its_disconnect() {
    let site = Site::open();
    let clients = OfficialClients::start();
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let browser = site.visitor().await;
        let socket = clients.connect(Connect::to(&site.app, transport).cookie(browser.session())).await;
        browser.get("/logout").await.ok();
        assert_eq!(socket.event("session_ended").await, json!([{ "reason": "logout" }]), "{transport:?}");
        assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]), "{transport:?}");
    }
}
