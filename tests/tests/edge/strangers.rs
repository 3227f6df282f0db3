//! No stranger's page shakes hands, and a `sid` is no credential.
//!
//! Clauses: 12.

use axum::{Router, routing::get};
use serde_json::{Value, json};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    SameSite, SessionLayer, StoreBackend, connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    http::{self, Browser},
    node::{Connect, OfficialClients, Transport},
    raw::{RawSocket, poll},
    stores::TestStore,
};

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("visit", socket_visit);
}

async fn app_with(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> (App, TestStore) {
    let store = TestStore::default();
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let routes = Router::new().route("/visit", get(visit));
    let layer = layer(sessions(StoreBackend::new(store.clone())));
    (App::serve(routes.layer(sockets).layer(layer)).await, store)
}

async fn app() -> (App, TestStore) {
    app_with(|layer| layer).await
}

async fn session(app: &App) -> String {
    let browser = Browser::new(app);
    browser.get("/visit").await.ok();
    browser.session()
}

/// The status of a handshake with these headers.
async fn status(app: &App, headers: &[(&str, &str)]) -> u16 {
    http::get_with(app, HANDSHAKE, headers.iter().copied()).await.status
}

#[tokio::test]
async fn pages_of_the_same_origin_and_programs_may() {
    let (app, _) = app().await;
    let cookie = session(&app).await;
    let own = format!("http://{}", app.address());
    for headers in [
        vec![],
        vec![("origin", own.as_str())],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
        vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
    ] {
        let with_cookie: Vec<_> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        assert_eq!(status(&app, &headers).await, 200, "{headers:?}");
        assert_eq!(status(&app, &with_cookie).await, 200, "{headers:?}");
    }
    RawSocket::open_with(&app, &[("origin", &own), ("cookie", &cookie)]).await.expect("a handshake");
}

#[tokio::test]
async fn a_strangers_page_may_not() {
    let (app, store) = app().await;
    let cookie = session(&app).await;
    let other_port = "http://127.0.0.1:1";
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", other_port)],
        vec![("origin", "http://127.0.0.1.evil.example")],
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
        vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")],
    ] {
        let with_cookie: Vec<_> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        assert_eq!(status(&app, &headers).await, 403, "{headers:?}");
        assert_eq!(status(&app, &with_cookie).await, 403, "{headers:?}");
    }
    let refused =
        RawSocket::open_with(&app, &[("origin", "https://evil.example"), ("cookie", &cookie)]).await;
    assert_eq!(refused.err().map(|(status, _)| status), Some(403));
    assert_eq!(store.len(), 1, "no session for a stranger");
}

#[tokio::test]
async fn a_listed_origin_may() {
    let (app, _) = app_with(|layer| layer.with_allowed_origins(["https://app.example"])).await;
    assert_eq!(status(&app, &[("origin", "https://app.example")]).await, 200);
    for stranger in ["https://evil.example", "http://app.example", "https://app.example:8443"] {
        assert_eq!(status(&app, &[("origin", stranger)]).await, 403, "{stranger}");
    }
}

#[tokio::test]
async fn a_sid_is_no_credential() {
    let (app, _) = app().await;
    let (cookie, other) = (session(&app).await, session(&app).await);
    let opened = poll(&app, Some(&cookie)).await;
    let opening: Value = serde_json::from_str(&opened.body[1..]).expect("the opening's JSON");
    let next = format!("{HANDSHAKE}&sid={}", opening["sid"].as_str().expect("a sid"));
    for shown in [None, Some(other.as_str()), Some("id=AAAAAAAAAAAAAAAAAAAAAA")] {
        assert_eq!(http::get(&app, &next, shown).await.status, 403, "{shown:?}");
    }
    let evil = [("origin", "https://evil.example"), ("cookie", cookie.as_str())];
    assert_eq!(http::get_with(&app, &next, evil).await.status, 403);
}

#[tokio::test]
async fn the_owner_of_a_sid_goes_on() {
    let (app, _) = app().await;
    let cookie = session(&app).await;
    let clients = OfficialClients::start();
    for (transport, visits) in [(Transport::Polling, 2), (Transport::Upgrade, 3)] {
        let socket = clients.connect(Connect::to(&app, transport).cookie(&*cookie)).await;
        assert_eq!(socket.ask("visit", &[]).await, visits);
        // Nor does it matter that the session was minted by the handshake itself.
        let anew = clients.connect(Connect::to(&app, transport)).await;
        assert_eq!(anew.ask("visit", &[]).await, json!(1));
    }
}

#[tokio::test]
async fn under_same_site_strict_a_request_from_another_site_mints_no_session() {
    let (app, store) = app_with(|layer| layer.with_same_site(SameSite::Strict)).await;
    let from_elsewhere = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let answer = http::get_with(&app, "/visit", from_elsewhere).await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(store.is_empty());
    let at_home = [("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")];
    assert!(http::get_with(&app, "/visit", at_home).await.set_cookies()[0].contains("SameSite=Strict"));
}
