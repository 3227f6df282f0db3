//! The cookie as the layer's options want it, and in every dress: what sets it, what removes it, and what is none.
//!
//! Clauses: 12.

use axum::Router;
use serde_json::Value;
use socketioxide_session::{Expiry, Key, MemoryBackend, SameSite, SessionLayer};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::site::{Of, Parts, parts},
    http,
    node::Chromium,
    raw::{RawSocket, poll},
};

type Build = Box<dyn Fn(SessionLayer) -> SessionLayer>;

fn dresses() -> Vec<(&'static str, Build)> {
    let (signing, old, private) = (Key::generate(), Key::generate(), Key::generate());
    let both = (signing.clone(), old.clone());
    vec![
        ("plain", Box::new(|layer| layer)),
        ("signed", Box::new(move |layer| layer.with_signed(signing.clone()))),
        ("signed by several", Box::new(move |layer| layer.with_signed([both.0.clone(), both.1.clone()]))),
        ("private", Box::new(move |layer| layer.with_private(private.clone()))),
        ("host", Box::new(|layer| layer.with_name("__Host-id").with_secure(true))),
        (
            "domain and path",
            Box::new(|layer| layer.with_domain("example.com").with_path("/").with_name("sid")),
        ),
        ("path", Box::new(|layer| layer.with_path("/app"))),
        (
            "bare",
            Box::new(|layer| layer.with_http_only(false).with_same_site(SameSite::None).with_secure(true)),
        ),
    ]
}

fn app_on(backend: &MemoryBackend, layer: impl FnOnce(SessionLayer) -> SessionLayer) -> App {
    let Parts { router, .. } = parts(layer(sessions(backend.clone())));
    App::new(Router::new().fallback_service(router))
}

/// The attributes of a `Set-Cookie` line that decide which cookie it is, and who is sent it.
fn scope(line: &str) -> Vec<&str> {
    let name = line.split('=').next().expect("a name");
    let mut scope = vec![name];
    scope.extend(
        line.split("; ").skip(1).filter(|part| !part.starts_with("Max-Age") && !part.starts_with("Expires")),
    );
    scope[1..].sort_unstable();
    scope
}

/// The `Set-Cookie` line of a first visit.
async fn line(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> String {
    let app = app_on(&MemoryBackend::default(), layer);
    let lines = http::get(&app, "/visit", None).await.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.concat()
}

fn has(line: &str, attribute: &str) -> bool {
    line.split("; ").any(|part| part == attribute)
}

#[tokio::test]
async fn by_default_it_is_careful() {
    let line = line(|layer| layer.with_secure(true)).await;
    assert!(line.starts_with("id="), "{line}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(has(&line, attribute), "{attribute} in {line}");
    }
    for attribute in ["Max-Age", "Expires", "Domain"] {
        assert!(!line.contains(attribute), "{attribute} in {line}");
    }
}

#[tokio::test]
async fn each_attribute_can_be_told() {
    let line = line(|layer| {
        layer
            .with_name("sid")
            .with_http_only(false)
            .with_same_site(SameSite::Strict)
            .with_path("/app")
            .with_domain("example.com")
    })
    .await;
    assert!(line.starts_with("sid="), "{line}");
    for attribute in ["SameSite=Strict", "Path=/app", "Domain=example.com"] {
        assert!(has(&line, attribute), "{attribute} in {line}");
    }
    assert!(!has(&line, "HttpOnly") && !has(&line, "Secure"), "{line}");
}

#[tokio::test]
async fn it_outlives_the_inactivity() {
    let inactivity = time::Duration::hours(1);
    let line = line(|layer| layer.with_expiry(Expiry::OnInactivity(inactivity))).await;
    let age = line.split("; ").find_map(|part| part.strip_prefix("Max-Age="));
    let age: i64 = age.expect("a Max-Age").parse().expect("a number");
    assert!(age > inactivity.whole_seconds(), "{line}");
}

#[tokio::test]
async fn always_saved_it_is_set_at_each_response_of_a_session() {
    let app = app_on(&MemoryBackend::default(), |layer| layer.with_always_save(true));
    let cookie = http::get(&app, "/visit", None).await.new_cookie();
    assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.new_cookie(), cookie);
    assert_eq!(http::get(&app, "/visits", None).await.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn in_every_dress_it_works_and_its_removal_matches() {
    for (dress, build) in dresses() {
        let app = app_on(&MemoryBackend::default(), &build);
        let set = http::get(&app, "/visit", None).await.set_cookies().concat();
        let cookie = set.split(';').next().expect("a cookie").to_owned();
        assert_eq!(http::get(&app, "/visit", Some(&cookie)).await.json(), 2, "{dress}");
        let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
        assert_eq!(socket.ask("visit", &[]).await, 3, "{dress}");
        for of in Of::ALL {
            let set = http::get(&app, &of.path("login"), None).await.set_cookies().concat();
            let cookie = set.split(';').next().expect("a cookie").to_owned();
            assert_eq!(http::get(&app, &of.path("who"), Some(&cookie)).await.json(), "Ada", "{dress} {of:?}");
            let removal = http::get(&app, &of.path("logout"), Some(&cookie)).await.set_cookies().concat();
            assert_eq!(scope(&removal), scope(&set), "{dress} {of:?}");
            assert!(removal.contains("Max-Age=0") && removal.contains("=;"), "{dress}: {removal}");
        }
        // A cookie that a handshake sets is the same kind of cookie.
        assert_eq!(scope(&poll(&app, None).await.set_cookies().concat()), scope(&set), "{dress}");
    }
}

#[tokio::test]
async fn host_cookies_keep_the_rules_of_browsers() {
    let app = app_on(&MemoryBackend::default(), |layer| layer.with_name("__Host-id").with_secure(true));
    let line = http::get(&app, "/visit", None).await.set_cookies().concat();
    let scope = scope(&line);
    assert_eq!(scope, ["__Host-id", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"], "{line}");
    // And a browser takes it, and gives it back to its sockets. (It trusts this machine without TLS.)
    let browser = Chromium::launch().await;
    let page = browser.page("page");
    let url = app.url("").replace("127.0.0.1", "localhost");
    page.open(&format!("{url}/login?name=Ada")).await;
    page.open(&format!("{url}/")).await;
    let outcome = page.evaluate("reach(location.origin)").await;
    assert_eq!(
        (&outcome["client over polling"], &outcome["client over websocket"]),
        (&"Ada".into(), &"Ada".into())
    );
    page.open(&format!("{url}/logout")).await;
    assert_eq!(browser.cookies(&url).await, Value::Array(vec![]));
    browser.close().await;
}

#[tokio::test]
async fn a_tampered_cookie_is_no_cookie() {
    for (dress, build) in
        dresses().into_iter().filter(|(dress, _)| dress.starts_with("signed") || *dress == "private")
    {
        let backend = MemoryBackend::default();
        let app = app_on(&backend, &build);
        let cookie = http::get(&app, "/visit", None).await.new_cookie();
        let plain_app = app_on(&backend, |layer| layer);
        let unsigned = http::get(&plain_app, "/visit", None).await.new_cookie();
        assert_eq!(http::get(&plain_app, "/visits", Some(&unsigned)).await.json(), 1);
        // One letter after another, one more, one less, and a real id without its signature.
        let mut tampered: Vec<String> = (3..cookie.len())
            .filter(|at| cookie.as_bytes()[*at].is_ascii_alphanumeric() && !cookie[..*at].ends_with('%'))
            .filter(|at| !(*at >= 2 && cookie.as_bytes()[*at - 2] == b'%'))
            .step_by(7)
            .map(|at| {
                let other = if cookie.as_bytes()[at] == b'A' { 'B' } else { 'A' };
                format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
            })
            .collect();
        assert!(tampered.len() > 5, "{dress}");
        tampered.extend([format!("{cookie}A"), cookie[..cookie.len() - 1].to_owned(), unsigned]);
        for shown in tampered {
            let read = http::get(&app, "/visits", Some(&shown)).await;
            assert_eq!((read.set_cookies(), read.json()), (vec![], 0.into()), "{dress}");
            assert_eq!(
                http::get(&app, "/visit", Some(&shown)).await.json(),
                1,
                "{dress}: a session of its own"
            );
            assert_eq!(poll(&app, Some(&shown)).await.set_cookies().len(), 1, "{dress}");
        }
        assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.json(), 1, "{dress}");
    }
}

#[tokio::test]
async fn keys_rotate_under_live_sockets() {
    let (old, new) = (Key::generate(), Key::generate());
    for rotate in [SessionLayer::with_signed, SessionLayer::with_private] as [fn(_, Vec<Key>) -> _; 2] {
        let backend = MemoryBackend::default();
        let before = app_on(&backend, |layer| rotate(layer, vec![old.clone()]));
        let cookie = http::get(&before, "/visit", None).await.new_cookie();
        let after = app_on(&backend, |layer| rotate(layer, vec![new.clone(), old.clone()]));
        let stranger = app_on(&backend, |layer| rotate(layer, vec![new.clone(), Key::generate()]));
        assert_eq!(http::get(&stranger, "/visits", Some(&cookie)).await.json(), 0);
        let mut socket = RawSocket::connect(&after, Some(&cookie)).await;
        assert_eq!(socket.ask("visit", &[]).await, 2);
        // The first key protects what is set from now on; the login's cookie no longer needs the old one.
        let renewed = http::get(&after, "/login", Some(&cookie)).await.new_cookie();
        let at_last = app_on(&backend, |layer| rotate(layer, vec![new.clone()]));
        assert_eq!(http::get(&at_last, "/who", Some(&renewed)).await.json(), "Ada");
        assert_eq!(http::get(&at_last, "/who", Some(&cookie)).await.json(), Value::Null);
        assert_eq!(http::get(&before, "/who", Some(&renewed)).await.json(), Value::Null);
    }
}

#[tokio::test]
async fn a_cookie_under_an_older_key_gets_the_newest_on_the_next_page() {
    let (old, new) = (Key::generate(), Key::generate());
    let page = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for rotate in [SessionLayer::with_signed, SessionLayer::with_private] as [fn(_, Vec<Key>) -> _; 2] {
        let backend = MemoryBackend::default();
        let before = app_on(&backend, |layer| rotate(layer, vec![old.clone()]));
        let after = app_on(&backend, |layer| rotate(layer, vec![new.clone(), old.clone()]));
        let at_last = app_on(&backend, |layer| rotate(layer, vec![new.clone()]));
        let cookie = http::get(&before, "/visit", None).await.new_cookie();
        // Not on a request of a script's, on whose response it could overwrite what a login sets.
        for headers in [vec![], vec![("sec-fetch-mode", "cors")], vec![page[0], ("sec-fetch-dest", "iframe")]]
        {
            let shown = headers.into_iter().chain([("cookie", &*cookie)]);
            assert_eq!(http::get_with(&after, "/visits", shown).await.set_cookies(), [""; 0]);
        }
        let shown = page.into_iter().chain([("cookie", &*cookie)]);
        let renewed = http::get_with(&after, "/visits", shown).await.new_cookie();
        assert_eq!(http::get(&at_last, "/visit", Some(&renewed)).await.json(), 2);
        let shown = page.into_iter().chain([("cookie", &*renewed)]);
        assert_eq!(http::get_with(&after, "/visits", shown).await.set_cookies(), [""; 0]);
        // Nor does it bring back the id that a login has changed.
        http::get(&after, "/login", Some(&cookie)).await.ok();
        let shown = page.into_iter().chain([("cookie", &*cookie)]);
        assert_eq!(http::get_with(&after, "/visits", shown).await.set_cookies(), [""; 0]);
    }
}

#[tokio::test]
async fn of_several_of_our_name_the_one_that_is_alive_counts() {
    let app = app_on(&MemoryBackend::default(), |layer| layer);
    let own = http::get(&app, "/visit", None).await.new_cookie();
    let dead = http::get(&app, "/visit", None).await.new_cookie();
    http::get(&app, "/logout", Some(&dead)).await.ok();
    let other = "id=AAAAAAAAAAAAAAAAAAAAAA";
    for shown in [
        format!("{own}; {own}"),
        format!("id=hello; {own}"),
        format!("{own}; id=nonsense"),
        format!("id=; {own}"),
        format!("{dead}; {own}"),
        format!("{own}; {other}; {dead}"),
        format!("a=1; {own}; b=2"),
        format!("xid=1; {own}; id2=2"),
        format!("{own};"),
    ] {
        let read = http::get(&app, "/visits", Some(&shown)).await;
        assert_eq!((read.set_cookies(), read.json()), (vec![], 1.into()), "{shown}");
        RawSocket::open(&app, Some(&shown)).await.expect("a handshake of the one that is alive");
    }
}

#[tokio::test]
async fn of_two_that_are_alive_none_counts_and_the_next_login_or_logout_mends_it() {
    let app = app_on(&MemoryBackend::default(), |layer| layer.with_path("/app"));
    let own = http::get(&app, "/visit", None).await.new_cookie();
    let planted = http::get(&app, "/visit", None).await.new_cookie();
    let shown = format!("{own}; {planted}");
    for headers in [vec![("cookie", &*shown)], vec![("cookie", &*own), ("cookie", &*planted)]] {
        let read = http::get_with(&app, "/visits", headers).await;
        assert_eq!((read.set_cookies(), read.json()), (vec![], 0.into()));
    }
    let scopes = |answer: &http::Answer| {
        let lines = answer.set_cookies();
        lines.iter().map(|line| scope(line).join("; ")).collect::<Vec<_>>()
    };
    // The configured path, and those to which a cookie can belong that is shown with this request.
    let all = |request_path| {
        let mut all = Vec::new();
        for domain in ["", "Domain=a.shop.example; ", "Domain=shop.example; "] {
            for path in ["/app", "/", request_path] {
                all.push(format!("id; {domain}HttpOnly; Path={path}; SameSite=Lax"));
                all.push(format!("id; {domain}HttpOnly; Partitioned; Path={path}; SameSite=Lax; Secure"));
            }
        }
        all.sort();
        all
    };
    let headers = [("cookie", &*shown), ("host", "a.shop.example:8080")];
    let login = http::get_with(&app, "/login", headers).await;
    let lines = login.set_cookies();
    let (removals, set) = lines.split_at(lines.len() - 1);
    assert!(
        removals.iter().all(|line| line.starts_with("id=;") && line.contains("Max-Age=0")),
        "{removals:?}"
    );
    assert!(!set[0].starts_with("id=;"), "the last one is the new cookie: {set:?}");
    let mut told = scopes(&login);
    told.pop();
    told.sort();
    assert_eq!(told, all("/login"));
    // So does a logout; and with one session that is alive nothing of the kind is said.
    let logout = http::get_with(&app, "/logout", headers).await;
    let mut told = scopes(&logout);
    told.sort();
    assert_eq!(told, all("/logout"));
    assert_eq!(http::get(&app, "/login", Some(&own)).await.set_cookies().len(), 1);
}

#[tokio::test]
async fn what_no_browser_accepts_is_refused_where_the_application_is_put_together() {
    type Change = fn(SessionLayer) -> SessionLayer;
    let cases: [(Change, &str); 4] = [
        (|layer| layer.with_name("__Host-id").with_secure(true).with_path("/app"), "with_path"),
        (|layer| layer.with_same_site(SameSite::None).with_secure(false), "with_secure"),
        (|layer| layer.with_domain("example.com:8080"), "with_domain"),
        (|layer| layer.with_name("my id"), "with_name"),
    ];
    for (change, names) in cases {
        let panic = std::panic::catch_unwind(|| {
            let layer = change(sessions(MemoryBackend::default()));
            drop(Router::<()>::new().route("/", axum::routing::get(async || ())).layer(layer));
        });
        let panic =
            panic.err().and_then(|panic| panic.downcast::<String>().ok()).expect("a panic with a text");
        assert!(panic.contains(names), "{panic}");
    }
    let app = app_on(&MemoryBackend::default(), |layer| layer.with_name("a|b"));
    let cookie = http::get(&app, "/visit", None).await.new_cookie();
    assert!(cookie.starts_with("a|b="), "{cookie}");
    assert_eq!(http::get(&app, "/visit", Some(&cookie)).await.json(), 2);
}
