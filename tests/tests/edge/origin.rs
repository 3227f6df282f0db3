//! No stranger's page, on the handshake and on every later request; and a `sid` opens nothing.
//!
//! Clauses: 12.

use axum::{Router, response::Html, routing::get};
use reqwest::Method;
use serde_json::{Value, json};
use socketioxide_session::SameSite;
use socketioxide_session_tests::{
    app::App,
    fixture::site::{PAGE, Site, until},
    http,
    node::{Chromium, Connect, OfficialClients, Transport},
    raw::{RawSocket, poll},
    soon,
};

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

async fn status(
    site: &Site,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, usize) {
    let answer = http::send(&site.app, method, path, headers.iter().copied(), body).await;
    (answer.status, answer.set_cookies().len())
}

/// A connection by polling, of the session of this cookie.
async fn opened(site: &Site, cookie: &str) -> String {
    let body = poll(&site.app, Some(cookie)).await.ok();
    let opening: Value = serde_json::from_str(&body[1..]).expect("the opening's JSON");
    let sid = opening["sid"].as_str().expect("a sid").to_owned();
    let joined =
        status(site, Method::POST, &format!("{HANDSHAKE}&sid={sid}"), &[("cookie", cookie)], "40").await;
    assert_eq!(joined.0, 200);
    sid
}

/// What a request gets of each kind that Engine.IO knows: a handshake by polling and by WebSocket, a poll, a post, an
/// upgrade.
async fn each_kind(site: &Site, sid: &str, headers: &[(&str, &str)]) -> Vec<(u16, usize)> {
    let with_upgrade: Vec<_> = headers.iter().chain(&UPGRADE).copied().collect();
    let of = |path: &str| format!("{path}&sid={sid}");
    vec![
        status(site, Method::GET, HANDSHAKE, headers, "").await,
        status(site, Method::GET, WEBSOCKET, &with_upgrade, "").await,
        status(site, Method::GET, &of(HANDSHAKE), headers, "").await,
        status(site, Method::POST, &of(HANDSHAKE), headers, r#"42["visit"]"#).await,
        status(site, Method::GET, &of(WEBSOCKET), &with_upgrade, "").await,
    ]
}

#[tokio::test]
async fn pages_of_the_same_origin_and_programs_may() {
    let site = Site::open();
    let cookie = site.visitor().await.session();
    let own = site.app.url("");
    for headers in [
        vec![],
        vec![("origin", own.as_str())],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
        vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
    ] {
        let with_cookie: Vec<_> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        assert_eq!(status(&site, Method::GET, HANDSHAKE, &headers, "").await.0, 200, "{headers:?}");
        assert_eq!(status(&site, Method::GET, HANDSHAKE, &with_cookie, "").await.0, 200, "{headers:?}");
    }
    RawSocket::open_with(&site.app, &[("origin", &own), ("cookie", &cookie)]).await.expect("a handshake");
}

#[tokio::test]
async fn the_owner_of_a_sid_goes_on() {
    let site = Site::open();
    let cookie = site.visitor().await.session();
    let clients = OfficialClients::start();
    for (transport, visits) in [(Transport::Polling, 2), (Transport::Upgrade, 3)] {
        let socket = clients.connect(Connect::to(&site.app, transport).cookie(&*cookie)).await;
        assert_eq!(socket.ask("visit", &[]).await, visits);
        // Nor does it matter that the session was minted by the handshake itself.
        let anew = clients.connect(Connect::to(&site.app, transport)).await;
        assert_eq!(anew.ask("visit", &[]).await, json!(1));
    }
}

#[tokio::test]
async fn a_strangers_page_is_refused_on_every_request_before_the_store_is_read() {
    let site = Site::open();
    let cookie = site.visitor().await.session();
    let sid = opened(&site, &cookie).await;
    let (loads, writes) = (site.store.loads(), site.store.writes());
    let own = site.app.url("");
    let sibling = own.replace("127.0.0.1", "localhost");
    for stranger in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", "http://127.0.0.1:1")],
        vec![("origin", "http://127.0.0.1.evil.example")],
        vec![("origin", &*sibling)],
        vec![("origin", &*own), ("origin", "https://evil.example")],
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
        vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")],
    ] {
        let with_cookie: Vec<_> = stranger.iter().copied().chain([("cookie", &*cookie)]).collect();
        for headers in [stranger, with_cookie] {
            assert_eq!(each_kind(&site, &sid, &headers).await, [(403, 0); 5], "{headers:?}");
        }
    }
    assert_eq!((site.store.loads(), site.store.writes()), (loads, writes), "nothing was read or written");
    assert_eq!(http::get(&site.app, "/visits", Some(&cookie)).await.json(), 1);
    // The page itself goes on.
    let own = [("cookie", &*cookie), ("origin", &*own), ("sec-fetch-site", "same-origin")];
    let posted = status(&site, Method::POST, &format!("{HANDSHAKE}&sid={sid}"), &own, r#"42["visit"]"#).await;
    assert_eq!(posted.0, 200);
    soon("the visit", async { while http::get(&site.app, "/visits", Some(&cookie)).await.json() != 2 {} })
        .await;
}

#[tokio::test]
async fn a_sid_opens_nothing_without_its_cookie() {
    let site = Site::open();
    let (cookie, other) = (site.visitor().await.session(), site.visitor().await.session());
    let sid = opened(&site, &cookie).await;
    let two = format!("{cookie}; {other}");
    for shown in [None, Some(&*other), Some("id=AAAAAAAAAAAAAAAAAAAAAA"), Some("id=nonsense"), Some(&*two)] {
        let headers: Vec<_> = shown.iter().map(|cookie| ("cookie", *cookie)).collect();
        let answers = each_kind(&site, &sid, &headers).await;
        assert_eq!(answers[2..], [(403, 0); 3], "{shown:?}");
    }
    assert_eq!(http::get(&site.app, "/visits", Some(&cookie)).await.json(), 1);
    let own = [("cookie", &*cookie)];
    let path = format!("{HANDSHAKE}&sid={sid}");
    assert_eq!(status(&site, Method::POST, &path, &own, r#"42["visit"]"#).await.0, 200);
    soon("the visit", async { while http::get(&site.app, "/visits", Some(&cookie)).await.json() != 2 {} })
        .await;

    // Nor does the `sid` of a connection over WebSocket.
    let mut socket = RawSocket::connect(&site.app, Some(&cookie)).await;
    let of = format!("{HANDSHAKE}&sid={}", socket.sid);
    for (method, body) in [(Method::GET, ""), (Method::POST, r#"42["visit"]"#)] {
        let (status, _) = status(&site, method, &of, &[("cookie", &*other)], body).await;
        assert!(status >= 400, "{status}");
    }
    assert_eq!(socket.ask("visits", &[]).await, 2);
}

#[tokio::test]
async fn listed_origins_may_in_place_of_the_own_one() {
    let listed = ["https://app.example", "http://localhost:5173"];
    let site = Site::with(|layer| layer.with_allowed_origins(listed));
    let clients = OfficialClients::start();
    let cookie = site.visitor().await.session();
    let own = site.app.url("");
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        for origin in listed {
            let connect = Connect::to(&site.app, transport).cookie(&*cookie);
            let socket = clients.connect(connect.headers(json!({ "origin": origin }))).await;
            assert!(socket.ask("visit", &[]).await.is_u64(), "{transport:?} {origin}");
        }
        for origin in
            [&*own, "https://evil.example", "http://app.example", "https://app.example:8443", "null"]
        {
            let connect = Connect::to(&site.app, transport).cookie(&*cookie);
            let refused = clients.try_connect(connect.headers(json!({ "origin": origin }))).await;
            assert!(refused.is_err(), "{transport:?} {origin}");
        }
    }
}

#[tokio::test]
async fn a_navigation_to_the_path_is_no_handshake() {
    let site = Site::open();
    for site_header in ["none", "same-origin", "cross-site"] {
        let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", site_header)];
        assert_eq!(status(&site, Method::GET, HANDSHAKE, &headers, "").await, (403, 0), "{site_header}");
    }
    assert!(site.store.is_empty());
}

#[tokio::test]
async fn under_same_site_strict_nothing_from_another_site_mints_a_session() {
    let from_elsewhere = |mode| [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)];
    let site = Site::with(|layer| layer.with_same_site(SameSite::Strict));
    for path in ["/visit", "/plain/visit", HANDSHAKE] {
        let answer = http::get_with(&site.app, path, from_elsewhere("navigate")).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
    }
    assert!(site.store.is_empty());
    assert_eq!(
        http::get_with(&site.app, "/visit", [("sec-fetch-site", "none")]).await.set_cookies().len(),
        1
    );
}

/// A listed origin of another site: its page may connect, but the cookie that the browser did not send is there.
#[tokio::test]
async fn under_same_site_strict_not_even_a_handshake_of_a_listed_origin_does() {
    let strict = |layer: socketioxide_session::SessionLayer| layer.with_same_site(SameSite::Strict);
    let site = Site::with(|layer| strict(layer).with_allowed_origins(["https://app.example"]));
    let headers =
        [("origin", "https://app.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let answer = http::get_with(&site.app, HANDSHAKE, headers).await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(site.store.is_empty());
}

/// A page of somebody else, who knows where the site is.
fn strangers_page() -> App {
    App::new(Router::new().route("/", get(async || Html(PAGE))))
}

#[tokio::test]
async fn in_chromium_the_attackers_page_reaches_nothing_and_the_sites_own_page_does() {
    let evil = strangers_page();
    let browser = Chromium::launch().await;
    let page = browser.page("page");
    // The same host with another port: the same site for cookies, which the browser therefore sends.
    let evil_pages = [evil.url("/"), evil.url("/").replace("127.0.0.1", "localhost")];

    let site = Site::open();
    page.open(&site.app.url("/login?name=Ada")).await;
    page.open(&site.app.url("/")).await;
    let reach = format!("reach('{}')", site.app.url(""));
    let own = page.evaluate(&reach).await;
    let reached =
        json!({ "websocket": "open", "client over polling": "Ada", "client over websocket": "Ada" });
    assert_eq!(own, reached);
    until("the end of the page's own sockets", || site.sockets("/") == 0).await;
    let (sessions, loads) = (site.store.len(), site.store.loads());
    for evil_page in &evil_pages {
        page.open(evil_page).await;
        let outcome = page.evaluate(&reach).await;
        let refused = json!({ "websocket": "refused", "client over polling": "refused", "client over websocket": "refused" });
        assert_eq!(outcome, refused, "{evil_page}");
    }
    assert_eq!((site.store.len(), site.store.loads(), site.sockets("/")), (sessions, loads, 0));

    // The same page, once it is listed, can: so it was the origin that kept it out, and the cookie was sent.
    let origin = evil.url("");
    let open = Site::with(|layer| layer.with_allowed_origins([origin]));
    page.open(&open.app.url("/login?name=Ada")).await;
    page.open(&evil_pages[0]).await;
    let outcome = page.evaluate(&format!("reach('{}')", open.app.url(""))).await;
    assert_eq!((&outcome["websocket"], &outcome["client over websocket"]), (&json!("open"), &json!("Ada")));
    browser.close().await;
}

#[tokio::test]
async fn behind_a_proxy_the_scheme_is_what_the_proxy_says() {
    let site = Site::open();
    let host = site.app.url("").replace("http://", "");
    for (proto, origin, is_let_in) in [
        // Traefik names the scheme of the WebSocket; Swift's Starscream names it as its origin.
        ("wss", format!("https://{host}"), true),
        ("https", format!("wss://{host}"), true),
        ("ws", format!("http://{host}"), true),
        ("https", format!("http://{host}"), false),
        ("wss", format!("ws://{host}"), false),
    ] {
        let headers = [("origin", &*origin), ("x-forwarded-proto", proto)];
        let (polling, websocket) = if is_let_in { (200, 101) } else { (403, 403) };
        assert_eq!(status(&site, Method::GET, HANDSHAKE, &headers, "").await.0, polling, "{proto} {origin}");
        let upgrade: Vec<_> = headers.into_iter().chain(UPGRADE).collect();
        assert_eq!(
            status(&site, Method::GET, WEBSOCKET, &upgrade, "").await.0,
            websocket,
            "{proto} {origin}"
        );
    }
}

#[tokio::test]
async fn applications_and_tenants_can_be_let_in() {
    let site = Site::with(|layer| {
        layer.with_allowed_origins(["capacitor://localhost", "https://admin.example"]).with_origin_predicate(
            |origin, parts| {
                origin.as_bytes().ends_with(b".tenants.example") && parts.uri.path() == "/socket.io/"
            },
        )
    });
    for (origin, is_let_in) in [
        ("capacitor://localhost", true),
        ("wss://admin.example", true),
        ("https://a.tenants.example", true),
        ("ionic://localhost", false),
        ("https://tenants.example", false),
    ] {
        let expected = if is_let_in { 200 } else { 403 };
        let headers = [("origin", origin)];
        assert_eq!(status(&site, Method::GET, HANDSHAKE, &headers, "").await.0, expected, "{origin}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_by_whoever_answers_cors() {
    let site = Site::open();
    let cookie = site.visitor().await.session();
    let sid = opened(&site, &cookie).await;
    // A preflight carries no cookie, and here nobody answers it: it is no 403 of ours.
    let headers = [("origin", "http://localhost:5173"), ("access-control-request-method", "POST")];
    let path = format!("{HANDSHAKE}&sid={sid}");
    let answer = status(&site, Method::OPTIONS, &path, &headers, "").await;
    assert_ne!(answer.0, 403);
    assert_eq!(answer.1, 0);
}
