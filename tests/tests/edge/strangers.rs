//! Requests that another site sends, which come without the visitor's cookie: they take nobody's login away, and yet the
//! callbacks of single sign-on log somebody in.
//!
//! Clauses: 12.

use axum::{Router, response::Html, routing::get};
use reqwest::Method;
use socketioxide_session::{MemoryBackend, SameSite, StoreBackend};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Socket,
    fixture::site::{Of, Parts, Site, parts},
    http,
    node::Chromium,
    stores::TestStore,
};

/// A form that a page of another site posts, in a browser of today.
const FORM: [(&str, &str); 3] =
    [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];

/// A link that a page of another site has.
const LINK: [(&str, &str); 3] =
    [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// Status, body and `Set-Cookie` lines.
async fn send(app: &App, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String, Vec<String>) {
    let answer = http::send(app, method, path, headers.iter().copied(), "").await;
    let cookies = answer.set_cookies();
    (answer.status, answer.body, cookies)
}

fn app(same_site: SameSite) -> App {
    let layer = sessions(MemoryBackend::default()).with_same_site(same_site);
    let Parts { router, .. } = parts(layer.with_secure(same_site == SameSite::None));
    App::new(router)
}

#[tokio::test]
async fn a_form_of_another_site_writes_nothing_and_sets_no_cookie() {
    let old_browser = [("origin", "https://evil.example")];
    let opaque = [("origin", "null")];
    for same_site in [SameSite::Lax, SameSite::Strict] {
        let app = app(same_site);
        for headers in [&FORM[..], &old_browser, &opaque] {
            for path in ["/visit", "/plain/visit"] {
                let (status, body, cookies) = send(&app, Method::POST, path, headers).await;
                assert_eq!((status, cookies.len()), (403, 0), "{same_site} {path} {headers:?}: {body}");
                assert!(body.contains("with_same_site"), "{body}");
            }
            // What only reads is answered.
            assert_eq!(send(&app, Method::GET, "/who", headers).await.0, 200);
        }
    }
}

#[tokio::test]
async fn the_sites_own_pages_and_other_clients_write_as_ever() {
    let app = app(SameSite::Lax);
    let own = app.url("");
    for headers in [
        vec![],
        vec![("origin", &*own)],
        vec![("origin", &*own), ("sec-fetch-site", "same-origin")],
        vec![("origin", "https://sibling.example"), ("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
    ] {
        for path in ["/visit", "/plain/visit"] {
            let (status, body, cookies) = send(&app, Method::POST, path, &headers).await;
            assert_eq!((status, cookies.len()), (200, 1), "{headers:?}: {body}");
        }
    }
    // Under `None` the cookie is sent along: who shows none has none.
    let open = self::app(SameSite::None);
    assert_eq!(send(&open, Method::POST, "/visit", &FORM).await.2.len(), 1);
}

/// SAML posts its answer as a form; so does OAuth with `form_post`; under `Strict` even a redirect comes without a cookie.
#[tokio::test]
async fn the_callback_of_single_sign_on_logs_somebody_in() {
    for (same_site, method, headers) in [
        (SameSite::Lax, Method::POST, FORM),
        (SameSite::Strict, Method::POST, FORM),
        (SameSite::Strict, Method::GET, LINK),
    ] {
        for of in Of::ALL {
            let app = app(same_site);
            let (status, body, cookies) = send(&app, method.clone(), &of.path("login"), &headers).await;
            assert_eq!((status, cookies.len()), (200, 1), "{same_site} {of:?}: {body}");
            let cookie = cookies[0].split(';').next().expect("a cookie").to_owned();
            assert_eq!(http::get(&app, &of.path("who"), Some(&cookie)).await.json(), "Ada", "{of:?}");
        }
    }
}

#[tokio::test]
async fn under_strict_a_link_to_a_page_that_writes_is_answered_and_saves_nothing() {
    let store = TestStore::default();
    let layer = sessions(StoreBackend::new(store.clone())).with_same_site(SameSite::Strict);
    let Parts { router, .. } = parts(layer);
    let app = App::new(router);
    for path in ["/visit", "/plain/visit"] {
        let (status, body, cookies) = send(&app, Method::GET, path, &LINK).await;
        assert_eq!((status, &*body, cookies.len(), store.len()), (200, "1", 0, 0), "{path}");
    }
    // Not so what a script of the other site's asks for.
    let script =
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    assert_eq!(send(&app, Method::GET, "/visit", &script).await.0, 403);
    // The site's own next request begins a session.
    assert_eq!(send(&app, Method::GET, "/visit", &[("sec-fetch-site", "same-origin")]).await.2.len(), 1);
}

/// A page with a form to this address.
fn page_with_form(action: &str) -> App {
    let html = format!("<form method=post action='{action}'><input name=a></form>");
    App::new(Router::new().route("/", get(async move || Html(html))))
}

#[tokio::test]
async fn in_chromium_a_form_of_another_site_does_not_take_the_login_away() {
    let browser = Chromium::launch().await;
    let page = browser.page("page");
    let site = Site::open();
    let send_form = async |to: &str| {
        // Another name of this machine is another site.
        let evil = page_with_form(&site.app.url(to));
        page.open(&evil.url("/").replace("127.0.0.1", "localhost")).await;
        page.evaluate("document.forms[0].submit()").await;
        page.until(&format!(
            "location.href === '{}' && document.readyState === 'complete'",
            site.app.url(to)
        ))
        .await;
        page.evaluate("document.body.innerText").await
    };
    let who = async || {
        page.open(&site.app.url("/who")).await;
        page.evaluate("document.body.innerText").await
    };
    page.open(&site.app.url("/login?name=Ada")).await;
    let refused = send_form("/visit").await;
    assert!(refused.as_str().is_some_and(|text| text.contains("with_same_site")), "{refused}");
    assert_eq!(who().await, "\"Ada\"");
    // The callback of single sign-on comes the same way.
    send_form("/login?name=Bob").await;
    assert_eq!(who().await, "\"Bob\"");
    browser.close().await;
}

// Who shows an id that a login has changed a moment ago.

#[tokio::test]
async fn a_login_whose_answer_was_lost_can_be_tried_again() {
    for of in Of::ALL {
        let site = Site::open();
        let owner = site.visitor().await;
        let old = owner.session();
        // The answer with the new cookie never arrives.
        let first = http::get(&site.app, &of.path("login"), Some(&old)).await.new_cookie();
        let retry = http::get(&site.app, &of.path("login"), Some(&old)).await;
        assert_eq!(retry.status, 200, "{of:?}: {}", retry.body);
        let second = retry.new_cookie();
        assert!(second != first && second != old);
        assert_eq!(http::get(&site.app, &of.path("who"), Some(&second)).await.json(), "Ada", "{of:?}");
        let mut socket = Socket::connect(&site.app, Some(&second)).await;
        assert_eq!(socket.ask("visits", &[]).await, 0, "nothing was carried over");
        // The first one goes on by itself.
        assert_eq!(http::get(&site.app, "/visits", Some(&first)).await.json(), 1, "{of:?}");
    }
}

/// An attacker who knew the id before the login (session fixation).
#[tokio::test]
async fn who_knows_only_the_old_id_can_do_nothing_to_the_session() {
    for of in Of::ALL {
        let site = Site::open();
        let owner = site.visitor().await;
        let old = owner.session();
        owner.get(&of.path("login")).await.ok();
        let sessions = site.store.len();
        let attacker = |path: String| {
            let app = &site.app;
            let old = old.clone();
            async move { http::get(app, &path, Some(&old)).await }
        };
        let read = attacker(of.path("who")).await;
        assert_eq!((read.json(), site.store.len()), (serde_json::Value::Null, sessions), "{of:?}");
        for path in ["visit", "logout"] {
            let of = if path == "visit" && matches!(of, Of::AxumLogin) { Of::ThisCrate } else { of };
            let refused = attacker(of.path(path)).await;
            assert_eq!(refused.set_cookies(), [""; 0], "{of:?} {path}");
            assert!(refused.status == 409 || path == "logout", "{of:?} {path}: {}", refused.status);
        }
        let handshake = http::get(&site.app, "/socket.io/?EIO=4&transport=polling", Some(&old)).await;
        assert_eq!((handshake.status, handshake.set_cookies().len()), (503, 0));
        // A login as somebody gives a session of one's own, and does nothing to the other one.
        let own = attacker(format!("{}?name=Eve", of.path("login"))).await.new_cookie();
        assert_ne!(own, owner.session());
        assert_eq!(site.store.len(), sessions + 1);
        assert_eq!(owner.get(&of.path("who")).await.json(), "Ada", "{of:?}");
    }
}
