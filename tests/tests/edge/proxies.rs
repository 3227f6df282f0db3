//! What the guide's page "Behind a proxy, from another origin, without cookies" says, with the proxies themselves and
//! with its very lines.
//!
//! Clauses: 12.

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request, Version, header},
    response::Html,
    routing::get,
};
use serde_json::{Value, json};
use socketioxide_session::{EventRouter, MemoryBackend, SameSite, SessionLayer};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client,
    fixture::{
        shop,
        site::{PAGE, parts},
    },
    node::{Chromium, Connect, OfficialClients, Page, Transport},
    proxy::{self, Proxy, replace, snippet},
};
use tower::ServiceExt;
use tower_http::cors::CorsLayer;

/// The site as it is behind TLS.
fn site() -> App {
    let layer = SessionLayer::new(MemoryBackend::default()).with_name("__Host-id");
    let version = get(async |request: Request<Body>| format!("{:?}", request.version()));
    App::new(parts(layer).router.route("/version", version))
}

/// The page's own way to its site's sockets: over each transport, and by an upgrade from one to the other.
async fn reach(page: &Page<'_>, proxy: &Proxy) -> Value {
    page.open(&proxy.url("/")).await;
    let outcome = page.evaluate(&format!("reach('{}')", proxy.url(""))).await;
    let upgraded = "new Promise((resolve) => {
        const socket = io({ forceNew: true, reconnection: false });
        socket.on('connect_error', () => resolve('refused'));
        socket.io.engine.on('upgrade', async (transport) => {
            if (!socket.connected) await new Promise((resolve) => socket.on('connect', resolve));
            resolve(`${transport.name} ${await socket.emitWithAck('who')}`);
        });
    })";
    json!([outcome, page.evaluate(upgraded).await])
}

fn reached() -> Value {
    let each = json!({ "websocket": "open", "client over polling": "Ada", "client over websocket": "Ada" });
    json!([each, "websocket Ada"])
}

fn refused() -> Value {
    let each = json!({ "websocket": "refused", "client over polling": "refused", "client over websocket": "refused" });
    json!([each, "refused"])
}

/// Logs in, reaches the site's sockets, and has one cookie; a stranger's page reaches nothing.
async fn serves(browser: &Chromium, name: &str, proxy: &Proxy) {
    let page = browser.page(name);
    page.open(&proxy.url("/login?name=Ada")).await;
    assert_eq!(reach(&page, proxy).await, reached(), "{name}");
    let cookies = browser.cookies(&proxy.url("/")).await;
    let cookies = cookies.as_array().expect("a list of cookies");
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert_eq!((&cookies[0]["name"], &cookies[0]["secure"]), (&json!("__Host-id"), &json!(true)));

    let stranger = App::new(Router::new().route("/", get(async || Html(PAGE))));
    page.open(&stranger.url("/")).await;
    let outcome = page.evaluate(&format!("reach('{}')", proxy.url(""))).await;
    assert_eq!(outcome, refused()[0], "{name}");
}

#[tokio::test]
async fn nginx_with_the_pages_lines() {
    let (app, browser, server) = (site(), Chromium::launch().await, snippet("nginx"));
    serves(&browser, "whole", &Proxy::nginx(&server, &app).await).await;

    // What its lines are for.
    let without_host = replace(&server, "proxy_set_header Host $http_host;", "");
    let without_port = replace(&server, "$http_host", "$host");
    for (name, server) in [("without Host", without_host), ("without the port", without_port)] {
        let proxy = Proxy::nginx(&server, &app).await;
        let page = browser.page(name);
        assert_eq!(reach(&page, &proxy).await, refused(), "{name}");
        let text = page
            .evaluate("fetch('/socket.io/?EIO=4&transport=polling', { method: 'POST' }).then((answer) => answer.text())")
            .await;
        assert!(text.as_str().is_some_and(|text| text.contains("`Host`")), "{text}");
    }
    browser.close().await;
}

#[tokio::test]
async fn caddy_with_the_pages_lines() {
    let (app, browser, caddyfile) = (site(), Chromium::launch().await, snippet("caddyfile"));
    serves(&browser, "whole", &Proxy::caddy(&caddyfile, &app).await).await;

    // HTTP/2 in clear to the application, whose `:scheme` is then `http`.
    let in_clear = replace(&caddyfile, "reverse_proxy 127", "reverse_proxy h2c://127");
    let proxy = Proxy::caddy(&in_clear, &app).await;
    let page = browser.page("in clear");
    page.open(&proxy.url("/login?name=Ada")).await;
    page.open(&proxy.url("/")).await;
    let version = page.evaluate("fetch('/version').then((answer) => answer.text())").await;
    assert_eq!(version, format!("{:?}", Version::HTTP_2));
    let outcome = page.evaluate(&format!("reach('{}')", proxy.url(""))).await;
    assert_eq!(outcome["client over polling"], "Ada", "{outcome}");
    browser.close().await;
}

/// What Traefik adds; it is in no package source.
#[tokio::test]
async fn traefiks_headers() {
    let app = site();
    let login = client::get(&app, "/login?name=Ada", None).await.new_cookie();
    let clients = OfficialClients::start();
    let host = app.address().to_string();
    for (transport, proto) in [(Transport::Polling, "https"), (Transport::WebSocket, "wss")] {
        for (scheme, is_let_in) in [("https", true), ("http", false)] {
            let origin = format!("{scheme}://{host}");
            let headers = json!({
                "origin": origin, "x-forwarded-for": "203.0.113.7", "x-forwarded-host": host,
                "x-forwarded-port": "443", "x-forwarded-proto": proto, "x-forwarded-server": "traefik",
                "x-real-ip": "203.0.113.7",
            });
            let connect = Connect::to(&app, transport).cookie(&*login).headers(headers);
            match clients.try_connect(connect).await {
                Ok(socket) => assert!(is_let_in && socket.ask("who", &[]).await == "Ada", "{origin}"),
                Err(message) => assert!(!is_let_in, "{transport:?} {origin}: {message}"),
            }
        }
    }
}

fn connected() -> EventRouter {
    EventRouter::new().on("visit", shop::sockets::visit)
}

/// Where `CorsLayer` goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cors {
    /// Last, as the page has it.
    Outside,
    BetweenTheSocketsAndTheSession,
}

impl Cors {
    const BOTH: [Self; 2] = [Self::Outside, Self::BetweenTheSocketsAndTheSession];

    /// The page's setting for this front end, with a header that its client adds.
    fn app(self, front_end: &str, sessions: SessionLayer) -> App {
        let cors = CorsLayer::new()
            .allow_origin(front_end.parse::<HeaderValue>().expect("an origin"))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE, HeaderName::from_static("x-app")]);
        let sessions = sessions.with_allowed_origins([front_end]);
        let routes = Router::new().route("/visit", get(shop::http::visit));
        let app = with_sockets(routes, (), |io| io.ns("/", connected()));
        App::new(match self {
            Self::Outside => app.layer(sessions).layer(cors),
            Self::BetweenTheSocketsAndTheSession => app.layer(cors).layer(sessions),
        })
    }
}

/// A front end, which has no session of its own, and serves the client itself.
fn front_end() -> App {
    let client =
        concat!(env!("CARGO_MANIFEST_DIR"), "/node/node_modules/socket.io-client/dist/socket.io.min.js");
    let client = std::fs::read_to_string(client).expect("the client, which tests/run installs");
    let page = "<!doctype html><meta charset=utf-8><script src=/client.js></script>";
    let script = get(async move || ([(header::CONTENT_TYPE, "text/javascript")], client));
    App::new(Router::new().route("/", get(async move || Html(page))).route("/client.js", script))
}

/// Asks over HTTP first, then connects by polling, with a header that must be asked for first.
fn visit_twice(site: &str) -> String {
    format!(
        "(async () => {{
            const first = await (await fetch('{site}/visit', {{ credentials: 'include' }})).json();
            const socket = io('{site}', {{
                withCredentials: true, transports: ['polling'], extraHeaders: {{ 'x-app': '1' }}, reconnection: false,
            }});
            const second = await new Promise((resolve) => {{
                socket.on('connect_error', (error) => resolve(error.message));
                socket.on('disconnect', (why) => resolve(why));
                socket.on('connect', async () => resolve(await socket.emitWithAck('visit')));
            }});
            const poll = '{site}/socket.io/?EIO=4&transport=polling&sid=' + socket.io.engine.id;
            const refusal = fetch(poll, {{ credentials: 'omit' }});
            return [first, second, await refusal.then((answer) => answer.text(), (error) => error.name)];
        }})()"
    )
}

#[tokio::test]
async fn a_front_end_on_another_port_and_both_orders_of_cors() {
    let (front_end, browser) = (front_end(), Chromium::launch_untouched().await);
    for order in Cors::BOTH {
        // Cookies know no ports: each has a name of its own.
        let layer = sessions(MemoryBackend::default()).with_name(format!("{order:?}"));
        let app = order.app(&front_end.url(""), layer);
        let page = browser.page("page");
        page.open(&front_end.url("/")).await;
        let outcome = page.evaluate(&visit_twice(&app.url(""))).await;
        assert_eq!((&outcome[0], &outcome[1]), (&json!(1), &json!(2)), "{order:?}: {outcome}");
        // Why the one order is the better one: a script can read what it did wrong.
        let text = outcome[2].as_str().expect("a text");
        assert_eq!(text.contains("withCredentials"), order == Cors::Outside, "{order:?}: {text}");
    }
    browser.close().await;
}

#[tokio::test]
async fn a_preflight_with_a_sid_is_answered_in_both_orders() {
    let front_end = "http://localhost:5173";
    let clients = OfficialClients::start();
    for order in Cors::BOTH {
        let app = order.app(front_end, sessions(MemoryBackend::default()));
        let headers = json!({ "origin": front_end, "x-app": "1" });
        let socket = clients.connect(Connect::to(&app, Transport::Polling).headers(headers)).await;
        assert_eq!(socket.ask("visit", &[]).await, 1, "{order:?}");
        socket.disconnect().await;

        let sid = client::Socket::connect(&app, None).await.sid;
        let router = order.app(front_end, sessions(MemoryBackend::default()));
        let preflight = Request::options(format!("/socket.io/?EIO=4&transport=polling&sid={sid}"))
            .header(header::ORIGIN, front_end)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-app")
            .body(Body::empty())
            .expect("a request");
        let answer = router.router().oneshot(preflight).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{order:?}");
        let says =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(says("access-control-allow-origin"), front_end, "{order:?}");
        assert_eq!(says("access-control-allow-credentials"), "true", "{order:?}");
        assert!(says("access-control-allow-headers").contains("x-app"), "{order:?}");
        assert!(!answer.headers().contains_key(header::SET_COOKIE), "{order:?}");
    }
}

/// What a front end of another site gets as its second visit, with these settings.
async fn second_visit_from_another_site(
    same_site: SameSite,
    partitioned: bool,
    third_party_cookies: bool,
) -> Value {
    let (front_end, browser) =
        (front_end(), Chromium::launch_with_third_party_cookies(third_party_cookies).await);
    // `localhost` and `127.0.0.1` are two sites.
    let origin = front_end.url("").replace("127.0.0.1", "localhost");
    let layer = SessionLayer::new(MemoryBackend::default());
    let app = Cors::Outside.app(&origin, layer.with_same_site(same_site).with_partitioned(partitioned));
    let proxy = Proxy::nginx(&snippet("nginx"), &app).await;
    let page = browser.page("page");
    page.open(&format!("{origin}/")).await;
    let mut outcome = page.evaluate(&visit_twice(&proxy.url(""))).await;
    browser.close().await;
    outcome[1].take()
}

#[tokio::test]
async fn a_front_end_of_another_site_needs_same_site_none_and_partitioned() {
    let browser_that_allows = |same_site| second_visit_from_another_site(same_site, false, true);
    assert_eq!(browser_that_allows(SameSite::None).await, 2);
    assert_ne!(browser_that_allows(SameSite::Lax).await, 2);
    let browser_that_blocks =
        |partitioned| second_visit_from_another_site(SameSite::None, partitioned, false);
    assert_eq!(browser_that_blocks(true).await, 2);
    assert_ne!(browser_that_blocks(false).await, 2);
}

#[test]
fn the_page_shows_what_is_tried_here() {
    let tried = include_str!("proxies.rs");
    for line in [
        ".allow_credentials(true)",
        ".allow_methods([Method::GET, Method::POST])",
        "proxy_set_header Host $http_host;",
        "withCredentials: true",
    ] {
        assert!(proxy::PAGE.contains(line) && tried.contains(line), "{line}");
    }
}
