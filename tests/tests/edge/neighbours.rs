//! Odd requests at the edge: sessions that begin or end in a handshake, cookies of strangers beside what another site sends,
//! layers in three.
//!
//! Clauses: 10, 12, 13.

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::{any, get},
};
use reqwest::Method;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide_session::{
    Error, MemoryBackend, SameSite, Session, SessionControl, SessionLayer, Shared, StoreBackend,
    connect_handler, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::shop::{self, User},
    http,
    raw::RawSocket,
    stores::TestStore,
};

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";
const FORM: [(&str, &str); 3] =
    [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];

#[socket_handler(user)]
async fn visit(user: &mut User) -> u64 {
    user.visits += 1;
    user.visits
}

#[connect_handler(user)]
async fn connected(user: &User) {
    let _ = user;
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.name = Some("Ada".to_owned());
    control.cycle_id()
}

async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

async fn remember(session: Session, request: Request, next: Next) -> Response {
    if request.headers().contains_key("x-remember") {
        session.insert("known", "Ada").await.expect("as the test has it");
    }
    next.run(request).await
}

async fn forget(control: SessionControl, request: Request, next: Next) -> Response {
    if request.headers().contains_key("x-forget") {
        control.flush().expect("as the test has it");
    }
    next.run(request).await
}

/// It counts all visitors, and does not mind if it cannot.
async fn counts(shared: Shared<User>, request: Request, next: Next) -> Response {
    shared.update(|user| user.visits += 1).await.ok();
    next.run(request).await
}

fn app(layer: SessionLayer) -> App {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("visit", visit));
    let routes = Router::new()
        .route("/login", any(login))
        .route("/logout", any(logout))
        .route("/visit", any(shop::http::visit))
        .route("/who", get(shop::http::who))
        .route("/counted/login", any(login).layer(from_fn(counts)));
    let routes = routes.layer(sockets).layer(from_fn(remember)).layer(from_fn(forget));
    App::new(routes.layer(layer))
}

async fn send(
    app: &App,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, Vec<String>) {
    let answer = http::send(app, method, path, headers.iter().copied(), body).await;
    let pair = |line: String| line.split(';').next().unwrap_or_default().to_owned();
    let cookies = answer.set_cookies().into_iter().map(pair).collect();
    (answer.status, answer.body, cookies)
}

fn sid_of(body: &str) -> String {
    let opening: Value = serde_json::from_str(&body[1..]).expect("the opening's JSON");
    opening["sid"].as_str().expect("a sid").to_owned()
}

#[tokio::test]
async fn a_session_that_begins_in_the_handshake_is_that_of_its_sockets() {
    let app = app(sessions(MemoryBackend::default()).with_session_on_handshake(false));
    let remember = [("x-remember", "yes")];
    let (status, body, cookies) = send(&app, Method::GET, HANDSHAKE, &remember, "").await;
    assert_eq!((status, cookies.len()), (200, 1));
    let of = format!("{HANDSHAKE}&sid={}", sid_of(&body));
    let strangers = send(&app, Method::POST, &of, &[], "40").await.0;
    let own = send(&app, Method::POST, &of, &[("cookie", &cookies[0])], "40").await.0;
    let mut socket = RawSocket::open_with(&app, &remember).await.expect("a handshake");
    socket.join("/").await.expect("a connection");
    let visited = socket.ask("visit", &[]).await;
    assert_eq!((strangers, own, visited), (403, 200, json!(1)));
}

#[tokio::test]
async fn a_handshake_that_ends_its_session_opens_nothing() {
    let app = app(sessions(MemoryBackend::default()));
    let cookie = http::get(&app, "/login", None).await.new_cookie();
    let headers = [("cookie", &*cookie), ("x-forget", "yes")];
    let joined = match RawSocket::open_with(&app, &headers).await {
        Ok(mut socket) => socket.join("/").await.is_ok(),
        Err(_) => false,
    };
    assert!(!joined);
    assert_eq!(http::get(&app, "/who", Some(&cookie)).await.json(), Value::Null);
}

#[tokio::test]
async fn a_form_of_another_site_takes_no_login_away_beside_a_strangers_cookie() {
    // Clause 12. Another application of the same name, or a page of a neighbour's domain, has set a cookie with
    // `SameSite=None`, which is sent; the visitor's own is kept back.
    let app = app(sessions(MemoryBackend::default()));
    let headers = [FORM[0], FORM[1], FORM[2], ("cookie", "id=AAAAAAAAAAAAAAAAAAAAAA")];
    let (status, body, cookies) = send(&app, Method::POST, "/visit", &headers, "").await;
    assert_eq!((status, cookies.len()), (403, 0), "{body} {cookies:?}");
}

#[tokio::test]
async fn a_callback_of_another_site_logs_in_behind_a_writer_that_is_refused() {
    let app = app(sessions(MemoryBackend::default()));
    let (status, body, cookies) = send(&app, Method::POST, "/counted/login", &FORM, "").await;
    assert_eq!((status, cookies.len()), (200, 1), "{body}");
    assert_eq!(http::get(&app, "/who", Some(&cookies[0])).await.json(), "Ada");
}

#[tokio::test]
async fn a_link_under_strict_to_a_logout_ends_nothing() {
    let app = app(sessions(MemoryBackend::default()).with_same_site(SameSite::Strict));
    let link =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let (status, _, cookies) = send(&app, Method::GET, "/logout", &link, "").await;
    assert_eq!((status, cookies.len()), (200, 0));
}

#[tokio::test]
async fn a_handshake_that_shows_two_cookies_begins_one_session_of_its_own() {
    let store = TestStore::default();
    let app = app(sessions(StoreBackend::new(store.clone())));
    let one = http::get(&app, "/login", None).await.new_cookie();
    let two = http::get(&app, "/login", None).await.new_cookie();
    let both = format!("{one}; {two}");
    let (status, body, cookies) = send(&app, Method::GET, HANDSHAKE, &[("cookie", &both)], "").await;
    assert_eq!(status, 200);
    let own = cookies.last().unwrap();
    assert!(own != &one && own != &two && store.has(own), "{cookies:?}");
    let of = format!("{HANDSHAKE}&sid={}", sid_of(&body));
    for (cookie, expected) in [(&one, 403), (&two, 403), (&both, 403), (own, 200)] {
        assert_eq!(send(&app, Method::POST, &of, &[("cookie", cookie)], "40").await.0, expected, "{cookie}");
    }
}

#[tokio::test]
async fn a_predicate_that_panics_lets_nobody_in_and_stops_nobody_else() {
    let layer = sessions(MemoryBackend::default()).with_origin_predicate(|_, _| panic!("as the test wants"));
    let app = app(layer);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(app.url(HANDSHAKE)).header("origin", "https://evil.example");
    let refused = request.send().await.map(|answer| answer.status().as_u16());
    assert_eq!(http::get(&app, "/visit", None).await.status, 200);
    assert_eq!(refused.ok(), Some(403));
}
