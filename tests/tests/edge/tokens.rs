//! Clients that keep no cookies: a token in a header stands for the cookie, over HTTP and on handshakes, and no page sees
//! one.
//!
//! Clauses: 10, 12, 13.

use std::collections::BTreeSet;

use axum::{
    Json, Router,
    extract::Request,
    http::HeaderMap,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use reqwest::Method;
use serde_json::{Value, json};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    EventRouter, Key, MemoryBackend, SameSite, Session, SessionControl, SessionLayer, http_handler,
    socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::site::{Of, Site, User, code, parts},
    http::{self, Answer},
    node::{Chromium, Connect, OfficialClients, Transport},
    python::PythonClients,
    raw::RawSocket,
    soon,
};

const NAME: &str = "x-session";
const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";
const NEW: [(&str, &str); 1] = [(NAME, "new")];
/// The origin of a native application's web view.
const WEB_VIEW: &str = "capacitor://localhost";

fn site() -> Site {
    Site::with(|layer| layer.with_token_header(NAME))
}

async fn ask(app: &App, path: &str, token: &str) -> Answer {
    http::get_with(app, path, [(NAME, token)]).await
}

/// What an answer tells the client to show from now on. Whatever it says, it keeps the rules of all answers.
fn told(answer: &Answer) -> Option<String> {
    let values = |name: &str| {
        let values = answer.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("a readable header").to_owned()).collect::<Vec<_>>()
    };
    assert!(values("vary").iter().any(|name| name == NAME), "{:?}", answer.headers);
    let mut tokens = values(NAME);
    if tokens.is_empty() {
        return None;
    }
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(values("cache-control"), ["no-store"], "{:?}", answer.headers);
    assert_eq!(answer.set_cookies(), [""; 0]);
    tokens.pop()
}

fn token_of(answer: &Answer) -> String {
    let token = told(answer).unwrap_or_else(|| panic!("no token with {} {}", answer.status, answer.body));
    assert_ne!(token, "new");
    token
}

/// A token of a session in which `/visit` was asked for once.
async fn first_token(app: &App) -> String {
    let visit = ask(app, "/visit", "new").await;
    let token = token_of(&visit);
    assert_eq!(visit.json(), 1);
    token
}

type Build = Box<dyn Fn(SessionLayer) -> SessionLayer>;

fn dresses() -> [(&'static str, Build); 3] {
    let key = Key::generate();
    let private = key.clone();
    [
        ("plain", Box::new(|layer| layer)),
        ("signed", Box::new(move |layer| layer.with_signed(key.clone()))),
        ("private", Box::new(move |layer| layer.with_private(private.clone()))),
    ]
}

#[tokio::test]
async fn it_stands_for_the_cookie_from_the_first_visit_to_the_logout() {
    for (dress, build) in dresses() {
        let Site { app, store, .. } = Site::with(|layer| build(layer.with_token_header("X-Session")));
        for of in Of::ALL {
            // Reading begins nothing.
            let read = ask(&app, "/visits", "new").await;
            assert_eq!((told(&read), read.set_cookies(), read.json()), (None, vec![], 0.into()), "{dress}");

            let before = first_token(&app).await;
            assert_eq!(before.contains(&store.ids()[0]), dress != "private", "{dress}");
            let again = ask(&app, "/visit", &before).await;
            assert_eq!(
                (told(&again), again.set_cookies(), again.json()),
                (None, vec![], 2.into()),
                "{dress}"
            );

            // A login gives another one in its response, and the old one is dead.
            let login = ask(&app, &of.path("login"), &before).await;
            let user = token_of(&login);
            assert_ne!(user, before);
            assert_eq!(ask(&app, &of.path("who"), &user).await.json(), "Ada", "{dress} {of:?}");
            let dead = ask(&app, &of.path("who"), &before).await;
            assert_eq!((told(&dead), dead.json()), (None, Value::Null), "{dress} {of:?}");
            // Nothing that it asks for could take the new one's place.
            let dead = ask(&app, "/visit", &before).await;
            assert_eq!((told(&dead), dead.set_cookies(), dead.status), (None, vec![], 409));

            // A logout says that it is one no more: what the client shows next asks for another.
            let logout = ask(&app, &of.path("logout"), &user).await;
            assert_eq!((told(&logout).as_deref(), logout.status), (Some("new"), 200), "{dress} {of:?}");
            assert_eq!(ask(&app, &of.path("who"), &user).await.json(), Value::Null);
            assert!(store.is_empty(), "{dress} {of:?}: {:?}", store.ids());
        }
    }
}

#[tokio::test]
async fn a_login_may_be_the_first_thing_that_is_asked_for() {
    let Site { app, .. } = site();
    for of in Of::ALL {
        let token = token_of(&ask(&app, &of.path("login"), "new").await);
        assert_eq!(ask(&app, &of.path("who"), &token).await.json(), "Ada", "{of:?}");
    }
}

#[tokio::test]
async fn a_login_whose_answer_was_lost_can_be_tried_again() {
    let Site { app, .. } = site();
    for of in Of::ALL {
        let old = first_token(&app).await;
        let first = token_of(&ask(&app, &of.path("login"), &old).await);
        let second = token_of(&ask(&app, &of.path("login?name=Bob"), &old).await);
        assert_eq!(ask(&app, &of.path("who"), &first).await.json(), "Ada", "{of:?}");
        assert_eq!(ask(&app, &of.path("who"), &second).await.json(), "Bob", "{of:?}");
    }
}

#[tokio::test]
async fn whoever_does_not_show_the_header_has_a_cookie_as_ever() {
    let Site { app, .. } = site();
    for path in ["/visit", "/login", HANDSHAKE] {
        let answer = http::get(&app, path, None).await;
        assert_eq!((answer.set_cookies().len(), told(&answer)), (1, None), "{path}");
    }
    let login = http::get(&app, "/login", None).await;
    let logout = http::get(&app, "/logout", Some(&login.new_cookie())).await;
    assert_eq!((logout.set_cookies().len(), told(&logout)), (1, None));
}

#[tokio::test]
async fn without_the_setting_the_header_means_nothing() {
    let Site { app, store, .. } = Site::open();
    let answer = ask(&app, "/visit", "new").await;
    assert_eq!(answer.set_cookies().len(), 1);
    assert!(
        answer.headers.get(NAME).is_none() && answer.headers.get("vary").is_none(),
        "{:?}",
        answer.headers
    );
    let id = store.ids().remove(0);
    assert_eq!(ask(&app, "/visits", &id).await.json(), 0);
}

#[tokio::test]
async fn a_request_with_a_cookie_of_ours_is_judged_by_it_alone() {
    let Site { app, .. } = site();
    let token = first_token(&app).await;
    let cookie = http::get(&app, "/login?name=Bob", None).await.new_cookie();
    let both = |cookie| [("cookie", cookie), (NAME, &*token)];

    let read = http::get_with(&app, "/who", both(&cookie)).await;
    assert_eq!((told(&read), read.json()), (None, "Bob".into()));
    let login = http::get_with(&app, "/login", both(&cookie)).await;
    assert_eq!((told(&login), login.set_cookies().len()), (None, 1));
    let dead = login.new_cookie();
    let logout = http::get_with(&app, "/logout", both(&dead)).await;
    assert_eq!((told(&logout), logout.set_cookies().len()), (None, 1));
    // Even if its session is no more.
    let read = http::get_with(&app, "/visits", both(&dead)).await;
    assert_eq!((told(&read), read.json()), (None, 0.into()));
    let write = http::get_with(&app, "/visit", both("id=AAAAAAAAAAAAAAAAAAAAAA")).await;
    assert_eq!((told(&write), write.set_cookies().len(), write.json()), (None, 1, 1.into()));
    // What can be no cookie of ours is none.
    let read = http::get_with(&app, "/visits", both("id=hello; theme=dark")).await;
    assert_eq!(read.json(), 1);
}

#[tokio::test]
async fn an_unknown_token_is_never_adopted() {
    for (dress, build) in dresses() {
        let Site { app, store, .. } = Site::with(|layer| build(layer.with_token_header(NAME)));
        let token = first_token(&app).await;
        let other = first_token(&app).await;
        let id = store.ids().remove(0);
        let two = [(NAME, &*token), (NAME, &*other)];
        let read = http::get_with(&app, "/visits", two).await;
        assert_eq!((told(&read), read.json()), (None, 0.into()), "of several none counts");
        let mut unknown = vec!["AAAAAAAAAAAAAAAAAAAAAA".to_owned(), "hello".to_owned(), format!("{token}A")];
        if dress != "plain" {
            unknown.push(id);
        }
        for shown in unknown {
            let read = ask(&app, "/visits", &shown).await;
            assert_eq!((told(&read), read.json()), (None, 0.into()), "{dress}");
            let write = ask(&app, "/visit", &shown).await;
            assert_ne!(token_of(&write), shown, "{dress}");
            assert_eq!(write.json(), 1, "{dress}");
        }
    }
}

#[tokio::test]
async fn keys_rotate() {
    let (old, new) = (Key::generate(), Key::generate());
    for rotate in [SessionLayer::with_signed, SessionLayer::with_private] as [fn(_, Vec<Key>) -> _; 2] {
        let backend = MemoryBackend::default();
        let app_with = |keys: &[&Key]| {
            let keys = keys.iter().copied().cloned().collect();
            App::new(parts(rotate(sessions(backend.clone()).with_token_header(NAME), keys)).router)
        };
        let (before, after, at_last) = (app_with(&[&old]), app_with(&[&new, &old]), app_with(&[&new]));
        let token = first_token(&before).await;
        assert_eq!(ask(&at_last, "/visits", &token).await.json(), 0);
        let again = ask(&after, "/visit", &token).await;
        assert_eq!((told(&again), again.json()), (None, 2.into()));
        // Wherever it is told anyway, it comes under the newest key.
        let renewed = token_of(&ask(&after, "/renew", &token).await);
        assert_eq!(ask(&at_last, "/visit", &renewed).await.json(), 3);
    }
}

#[tokio::test]
async fn always_saved_it_is_told_with_each_response_of_a_session() {
    let Site { app, .. } = Site::with(|layer| layer.with_token_header(NAME).with_always_save(true));
    let token = first_token(&app).await;
    assert_eq!(token_of(&ask(&app, "/visits", &token).await), token);
    assert_eq!(told(&ask(&app, "/visits", "new").await), None);
}

#[http_handler(user)]
async fn with_cookies_of_its_own(user: &mut User) -> Response {
    user.visits += 1;
    let headers = [
        ("set-cookie", "theme=dark"),
        ("cache-control", "public, max-age=600"),
        ("cdn-cache-control", "max-age=600"),
        ("vary", "accept"),
        (NAME, "forged"),
    ];
    (headers, "a page").into_response()
}

#[tokio::test]
async fn no_response_carries_a_token_beside_a_cookie_and_no_cache_keeps_one() {
    let routes = Router::new().route("/", get(with_cookies_of_its_own));
    let app = App::new(routes.layer(sessions(MemoryBackend::default()).with_token_header(NAME)));
    let answer = ask(&app, "/", "new").await;
    assert_ne!(token_of(&answer), "forged");
    assert!(answer.headers.get("cdn-cache-control").is_none(), "{:?}", answer.headers);
    assert_eq!(answer.headers.get_all("vary").iter().count(), 2, "{:?}", answer.headers);
    let answer = http::get(&app, "/", None).await;
    assert_eq!(answer.set_cookies().len(), 2);
    assert_eq!(answer.headers["cache-control"], "public, max-age=600");
}

#[tokio::test]
async fn pages_that_may_not_connect_read_none_and_are_sent_none() {
    let Site { app, .. } = Site::with(|layer| {
        layer.with_token_header(NAME).with_origin_predicate(|origin, _| origin == WEB_VIEW)
    });
    let own = app.url("");
    let token = first_token(&app).await;
    for marks in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-mode", "navigate")],
        // A page of the server's own has its cookie.
        vec![("origin", &*own)],
        vec![("sec-fetch-site", "same-origin")],
    ] {
        let ask = async |path: &str, token: &str| {
            http::get_with(&app, path, marks.iter().copied().chain([(NAME, token)])).await
        };
        let read = ask("/visits", &token).await;
        assert_eq!((told(&read), read.json()), (None, 0.into()), "{marks:?}");
        for shown in ["new", &*token] {
            for path in ["/login", "/visit", "/plain/visit", "/logout"] {
                assert_eq!(told(&ask(path, shown).await), None, "{marks:?} {path}");
            }
        }
    }
    assert_eq!(ask(&app, "/visits", &token).await.json(), 1);
}

fn from_web_view(token: &str) -> [(&str, &str); 4] {
    [("origin", WEB_VIEW), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), (NAME, token)]
}

#[tokio::test]
async fn a_web_view_whose_origin_may_connect_has_one() {
    // Its requests come from another site than the server's, which keeps a cookie back, and no token.
    let Site { app, .. } = Site::with(|layer| {
        layer.with_token_header(NAME).with_allowed_origins([WEB_VIEW]).with_same_site(SameSite::Strict)
    });
    let ask = async |path: &str, token: &str| http::get_with(&app, path, from_web_view(token)).await;
    for shown in ["new", "AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(token_of(&send(&app, Method::POST, "/visit", &from_web_view(shown), "").await).len(), 22);
    }
    let token = token_of(&ask("/visit", "new").await);
    let token = token_of(&ask("/login", &token).await);
    assert_eq!(ask("/who", &token).await.json(), "Ada");
    assert_eq!(ask(HANDSHAKE, &token).await.status, 200);
}

/// Every way in which a script of the server's own page can ask for a token; gives all headers that it can read.
const ASK_FOR_TOKENS: &str = r#"(async () => {
  const seen = [];
  for (const credentials of ["omit", "same-origin", "include"]) {
    for (const shown of [null, "new", "AAAAAAAAAAAAAAAAAAAAAA"]) {
      for (const path of ["/visit", "/login", "/renew", "/visit", "/logout", "/login", "/socket.io/?EIO=4&transport=polling"]) {
        const headers = shown ? { "x-session": shown } : {};
        const response = await fetch(path, { credentials, headers, referrerPolicy: "no-referrer" });
        seen.push(...[...response.headers].map((header) => header.join(": ")), document.cookie, await response.text());
      }
    }
  }
  return seen;
})()"#;

#[tokio::test]
async fn in_chromium_no_script_of_a_page_sees_an_id() {
    let Site { app, store, .. } = site();
    let browser = Chromium::launch().await;
    let page = browser.page("page");
    page.open(&app.url("/")).await;
    let seen = page.evaluate(ASK_FOR_TOKENS).await;
    let seen: BTreeSet<_> = seen.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(seen.contains("vary: x-session"), "{seen:?}");
    assert!(!seen.iter().any(|header| header.starts_with("x-session:")), "{seen:?}");
    let ids = store.ids();
    assert!(ids.len() > 2, "{ids:?}");
    assert!(ids.iter().all(|id| seen.iter().all(|text| !text.contains(id))), "{ids:?} {seen:?}");
    let cookies = browser.cookies(&app.url("/")).await;
    assert_eq!(cookies.as_array().map(Vec::len), Some(1), "{cookies}");
    assert!(ids.iter().any(|id| cookies[0]["value"] == *id), "{ids:?} {cookies}");
    browser.close().await;
}

/// One request about a connection.
async fn engine(app: &App, method: Method, sid: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(app, method, &format!("{HANDSHAKE}&sid={sid}"), headers, body).await
}

async fn send(app: &App, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let mut request = client.request(method, app.url(path)).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.text().await.expect("a body that is text") }
}

fn sid_of(handshake: &Answer) -> String {
    let opening: Value = serde_json::from_str(&handshake.body[1..]).expect("the opening's JSON");
    opening["sid"].as_str().expect("a sid").to_owned()
}

/// A socket in the namespace `/`.
async fn socket(app: &App, token: &str) -> RawSocket {
    let mut socket = RawSocket::open_with(app, &[(NAME, token)]).await.expect("a handshake");
    assert!(socket.set_cookies.is_empty() && socket.headers.get(NAME).is_none(), "{:?}", socket.headers);
    socket.join("/").await.expect("a connection");
    socket
}

#[tokio::test]
async fn a_handshake_shows_it_and_all_requests_of_its_connection() {
    let site = site();
    let app = &site.app;
    let token = first_token(app).await;
    assert_eq!(socket(app, &token).await.ask("visit", &[]).await, 2);

    let handshake = ask(app, HANDSHAKE, &token).await;
    assert_eq!((told(&handshake), handshake.set_cookies(), handshake.status), (None, vec![], 200));
    let sid = sid_of(&handshake);
    let other = first_token(app).await;
    let cookie = http::get(app, "/visit", None).await.new_cookie();
    for stranger in [
        &[][..],
        &NEW,
        &[(NAME, &other)],
        &[("cookie", &*cookie)],
        &[("cookie", &*cookie), (NAME, &token)],
        &[(NAME, &token), (NAME, &other)],
    ] {
        let refused = engine(app, Method::POST, &sid, stranger, "40").await;
        assert_eq!((refused.status, refused.headers.get(NAME)), (403, None), "{stranger:?}");
        assert!(refused.body.contains("token"), "{}", refused.body);
        assert_eq!(engine(app, Method::GET, &sid, stranger, "").await.status, 403, "{stranger:?}");
    }
    let shown = [(NAME, &*token)];
    assert_eq!(engine(app, Method::POST, &sid, &shown, "40").await.status, 200);
    assert_eq!(engine(app, Method::POST, &sid, &shown, r#"421["visits"]"#).await.status, 200);
    let mut heard = String::new();
    while !heard.contains("431") {
        let poll = engine(app, Method::GET, &sid, &shown, "").await;
        assert_eq!((told(&poll), poll.status), (None, 200));
        heard.push_str(&poll.body);
    }
    assert!(heard.contains("431[2]"), "{heard}");
}

#[tokio::test]
async fn a_handshake_mints_none() {
    let site = site();
    let ended = first_token(&site.app).await;
    ask(&site.app, "/logout", &ended).await.ok();
    for shown in ["new", "AAAAAAAAAAAAAAAAAAAAAA", "nonsense", ""] {
        let polling = ask(&site.app, HANDSHAKE, shown).await;
        assert_eq!((told(&polling), polling.set_cookies(), polling.status), (None, vec![], 403), "{shown}");
        let (status, text) = RawSocket::open_with(&site.app, &[(NAME, shown)]).await.expect_err("a refusal");
        assert_eq!(status, 403, "{shown}");
        for text in [text, polling.body] {
            assert!(text.contains("an HTTP request with the header `new`"), "{text}");
        }
    }
    // It is told to come again with another one.
    assert_eq!(ask(&site.app, HANDSHAKE, &ended).await.status, 503);
    assert!(site.store.is_empty());
}

#[tokio::test]
async fn without_sessions_on_handshakes_it_is_a_socket_without_a_session() {
    let site = Site::with(|layer| layer.with_token_header(NAME).with_session_on_handshake(false));
    let mut socket = socket(&site.app, "new").await;
    assert_eq!(socket.ask("visits", &[]).await, 0);
    assert_eq!(code(&socket.ask("visit", &[]).await), "no_session");
    let polling = ask(&site.app, HANDSHAKE, "new").await;
    assert_eq!((told(&polling), polling.set_cookies(), polling.status), (None, vec![], 200));
    assert!(site.store.is_empty());
}

#[tokio::test]
async fn sockets_are_judged_by_it() {
    let site = site();
    for of in Of::ALL {
        let before = first_token(&site.app).await;
        let mut old = socket(&site.app, &before).await;
        let user = token_of(&ask(&site.app, &of.path("login"), &before).await);
        old.disconnected("/").await;
        let (status, _) = RawSocket::open_with(&site.app, &[(NAME, &before)]).await.expect_err("a refusal");
        assert_eq!(status, 503, "{of:?}");
        let mut new = socket(&site.app, &user).await;
        assert_eq!(new.ask("visits", &[]).await, 1, "{of:?}");
        ask(&site.app, &of.path("logout"), &user).await.ok();
        new.disconnected("/").await;
    }
}

/// As a proxy that knows the visitor logs somebody in on any request.
async fn log_in(control: SessionControl, session: Session, request: Request, next: Next) -> Response {
    if request.headers().contains_key("x-remember") {
        session.insert("known", true).await.expect("a session that takes values");
        control.cycle_id().expect("a session whose id can change");
    }
    next.run(request).await
}

/// What a handler of requests, and one of sockets, can print.
async fn all_of_a_request(request: Request) -> String {
    format!("{request:?}")
}

#[socket_handler]
async fn all_of_a_socket(socket: SocketRef) -> String {
    format!("{socket:?} {:?}", socket.req_parts())
}

#[socket_handler(user)]
async fn visits(user: &User) -> u32 {
    user.visits
}

fn connected() -> EventRouter {
    EventRouter::new().on("all", all_of_a_socket).on("visits", visits)
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

/// An application whose middleware logs in whoever is known, and whose handlers tell all that they have.
fn talkative() -> App {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected());
    let routes = Router::new().route("/all", get(all_of_a_request)).route("/visit", get(visit));
    let layer = sessions(MemoryBackend::default()).with_token_header(NAME);
    App::new(routes.layer(sockets).layer(from_fn(log_in)).layer(layer))
}

#[tokio::test]
async fn a_handshake_whose_own_request_changes_the_id_tells_the_new_one() {
    let app = talkative();
    let old = first_token(&app).await;
    let known = |token| [(NAME, token), ("x-remember", "yes")];
    let mut socket = RawSocket::open_with(&app, &known(&old)).await.expect("a handshake");
    let new = socket.headers[NAME].to_str().expect("a readable header").to_owned();
    assert_ne!(new, old);
    assert_eq!(
        (&socket.headers["cache-control"], &*socket.set_cookies),
        (&"no-store".parse().unwrap(), &[][..])
    );
    socket.join("/").await.expect("a connection");
    assert_eq!(socket.ask("visits", &[]).await, 1);

    let handshake = http::get_with(&app, HANDSHAKE, known(&new)).await;
    let (sid, newest) = (sid_of(&handshake), token_of(&handshake));
    assert_eq!(engine(&app, Method::POST, &sid, &[(NAME, &new)], "40").await.status, 403);
    assert_eq!(engine(&app, Method::POST, &sid, &[(NAME, &newest)], "40").await.status, 200);
}

#[tokio::test]
async fn no_handler_and_no_socket_has_it() {
    let app = talkative();
    let token = first_token(&app).await;
    let text = ask(&app, "/all", &token).await.ok();
    assert!(text.contains("host") && !text.contains(&token) && !text.contains(NAME), "{text}");
    let clients = OfficialClients::start();
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let socket = clients
            .connect(Connect::to(&app, transport).headers(json!({ NAME: token, "x-other": "kept" })))
            .await;
        let text = socket.ask("all", &[]).await.to_string();
        assert!(
            text.contains("x-other") && !text.contains(&token) && !text.contains(NAME),
            "{transport:?}: {text}"
        );
    }
    // As a layer outside writes a response down.
    let visit = ask(&app, "/visit", "new").await;
    let (told, kept) = (token_of(&visit), format!("{:?}", tower_response(&app).await));
    assert!(kept.contains(NAME) && kept.contains("Sensitive") && !kept.contains(&told), "{kept}");
}

/// The headers of a response as the layer makes it, before it is written to a connection.
async fn tower_response(app: &App) -> HeaderMap {
    app.here().client().get("/visit").header(NAME, "new").await.headers().clone()
}

#[tokio::test]
async fn official_clients_show_it_as_an_extra_header() {
    let site = site();
    let clients = OfficialClients::start();
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let connect = |token: &str| Connect::to(&site.app, transport).headers(json!({ NAME: token }));
        clients.try_connect(connect("new")).await.expect_err("no session by a handshake");

        let token = first_token(&site.app).await;
        let socket = clients.connect(connect(&token)).await;
        assert_eq!(socket.ask("visit", &[]).await, 2, "{transport:?}");
        let user = token_of(&ask(&site.app, "/login", &token).await);
        assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]), "{transport:?}");
        clients.try_connect(connect(&token)).await.expect_err("the old one is dead");

        let socket = clients.connect(connect(&user)).await;
        assert_eq!(socket.ask("who", &[]).await, "Ada", "{transport:?}");
        assert_eq!(socket.ask("visits", &[]).await, 2, "{transport:?}");
        assert_eq!(socket.set_cookies().await, [""; 0], "{transport:?}");
        assert_eq!(told(&ask(&site.app, "/logout", &user).await).as_deref(), Some("new"));
        assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]), "{transport:?}");
    }
}

#[tokio::test]
async fn so_do_clients_of_another_language() {
    let site = site();
    let app = &site.app;
    let clients = PythonClients::start();
    let get = async |path: &str, token: &str| clients.get(app, path, json!({ NAME: token })).await;
    for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
        let connect = async |socket: &str, token: &str| {
            let name = format!("{socket} {transport:?}");
            clients.connect(app, &name, transport, json!({ NAME: token })).await.map(|()| name)
        };
        connect("nobody", "new").await.expect_err("no session by a handshake");

        let visit = get("/visit", "new").await;
        let token = visit["headers"][NAME].as_str().expect("a token").to_owned();
        let socket = connect("visitor", &token).await.expect("a connection");
        assert_eq!(clients.ask(&socket, "visit").await, 2, "{transport:?}");
        let transports = [Transport::Polling.names()[0].clone(), Transport::WebSocket.names()[0].clone()];
        let polls = usize::from(transport != Transport::Polling);
        assert_eq!(clients.transport(&socket).await, transports[polls], "{transport:?}");
        let login = get("/login", &token).await;
        let user = login["headers"][NAME].as_str().expect("a token").to_owned();
        clients.ended(&socket).await;
        connect("late", &token).await.expect_err("the old one is dead");

        let socket = connect("user", &user).await.expect("a connection");
        assert_eq!(clients.ask(&socket, "who").await, "Ada", "{transport:?}");
        let logout = get("/logout", &user).await;
        assert_eq!((&logout["headers"][NAME], &logout["status"]), (&json!("new"), &json!(200)));
        clients.ended(&socket).await;
    }
}

#[tokio::test]
async fn a_token_belongs_to_the_outermost_layer_that_reads_it() {
    let backend = MemoryBackend::default();
    let layer = || sessions(backend.clone()).with_token_header(NAME);
    let app =
        App::new(Router::new().route("/visit", get(visit)).layer(layer().with_name("inner")).layer(layer()));
    let token = first_token(&App::new(Router::new().route("/visit", get(visit)).layer(layer()))).await;
    // The inner session has not begun.
    assert_eq!(http::get_with(&app, "/visit", [(NAME, &*token)]).await.json(), 1);
}

#[test]
fn a_name_that_means_something_else_is_refused_where_the_application_is_put_together() {
    for name in ["cookie", "Set-Cookie", "authorization", "content-type", "my session", ""] {
        let panic = std::panic::catch_unwind(|| {
            let layer = sessions(MemoryBackend::default()).with_token_header(name);
            drop(Router::<()>::new().route("/", get(async || ())).layer(layer));
        });
        let panic =
            panic.err().and_then(|panic| panic.downcast::<String>().ok()).expect("a panic with a text");
        assert!(panic.contains("with_token_header") && panic.contains(name), "{panic}");
    }
}
