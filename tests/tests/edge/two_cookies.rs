//! Two cookies of our name in a real browser, as two releases of an application leave them: the next login or logout
//! mends it. And a page that asks over HTTP first.
//!
//! Clauses: 12, 13.

use axum::{Json, Router, routing::get};
use serde_json::json;
use socketioxide_session::{Error, MemoryBackend, SessionControl, SessionLayer, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::site::{Site, User},
    node::{Chromium, Page},
};

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl) -> Result<&'static str, Error> {
    control.cycle_id()?;
    user.name = Some("Ada".to_owned());
    Ok("in")
}

#[http_handler]
async fn logout(control: SessionControl) -> Result<&'static str, Error> {
    control.flush()?;
    Ok("out")
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn who(user: &User) -> Json<Option<String>> {
    Json(user.name.clone())
}

/// One release of an application whose pages are at `/app` and elsewhere.
fn release(backend: &MemoryBackend, layer: impl FnOnce(SessionLayer) -> SessionLayer) -> App {
    let pages = || {
        Router::new()
            .route("/login", get(login))
            .route("/logout", get(logout))
            .route("/visit", get(visit))
            .route("/who", get(who))
    };
    App::new(Router::new().merge(pages()).nest("/app/of", pages()).layer(layer(sessions(backend.clone()))))
}

/// What a page of this host and release says.
async fn says(page: &Page<'_>, app: &App, host: &str, path: &str) -> String {
    page.open(&format!("http://{host}:{}{path}", app.address().port())).await;
    let text = page.evaluate("document.body.innerText").await;
    text.as_str().expect("a text").to_owned()
}

type Change = fn(SessionLayer, &'static str) -> SessionLayer;

#[tokio::test]
async fn two_releases_lock_nobody_out_after_the_next_login_or_logout() {
    let browser = Chromium::launch_with(&["--host-resolver-rules=MAP *.shop.test 127.0.0.1"]).await;
    let page = browser.page("page");
    let plain: Change = |layer, _| layer;
    let domain: Change = |layer, domain| layer.with_domain(domain);
    let path: Change = |layer, _| layer.with_path("/app");
    let mut number = 0;
    for (name, former, new) in [
        ("a domain goes", domain, plain),
        ("a domain comes", plain, domain),
        ("a path goes", path, plain),
        ("a path comes", plain, path),
    ] {
        for mend in ["/app/of/login", "/app/of/logout", "/app/of/visit"] {
            number += 1;
            // Each case has a domain of its own: cookies of the other cases are not shown there.
            let of_case: &'static str = format!("of{number}.shop.test").leak();
            let (www, api) = (format!("www.{of_case}"), format!("api.{of_case}"));
            let backend = MemoryBackend::default();
            let former = release(&backend, |layer| former(layer, of_case));
            let new = release(&backend, |layer| new(layer, of_case));
            // One where only the one cookie is sent, the other where only the other one is: both sessions live.
            match name {
                "a domain goes" => {
                    says(&page, &new, &www, "/app/of/login").await;
                    says(&page, &former, &api, "/app/of/login").await;
                }
                "a domain comes" => {
                    says(&page, &former, &www, "/app/of/login").await;
                    says(&page, &new, &api, "/app/of/login").await;
                }
                "a path goes" => {
                    says(&page, &former, &www, "/app/of/login").await;
                    says(&page, &new, &www, "/login").await;
                }
                _ => {
                    says(&page, &new, &www, "/app/of/login").await;
                    says(&page, &former, &www, "/login").await;
                }
            }
            let case = format!("{name}, then {mend}");
            assert_eq!(says(&page, &new, &www, "/app/of/who").await, "null", "{case}: neither counts");
            says(&page, &new, &www, mend).await;
            if !mend.ends_with("login") {
                assert_eq!(says(&page, &new, &www, "/app/of/who").await, "null", "{case}");
                assert_eq!(says(&page, &new, &www, "/app/of/login").await, "in", "{case}");
            }
            for _ in 0..2 {
                assert_eq!(says(&page, &new, &www, "/app/of/who").await, "\"Ada\"", "{case}: locked out");
            }
            assert_eq!(says(&page, &new, &www, "/app/of/logout").await, "out", "{case}");
            assert_eq!(says(&page, &new, &www, "/app/of/who").await, "null", "{case}");
        }
    }
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_asks_over_http_first_has_one_session() {
    let browser = Chromium::launch().await;
    let page = browser.page("page");
    for transport in ["polling", "websocket"] {
        let site = Site::with(|layer| layer.with_name(format!("of-{transport}")));
        page.open(&site.app.url("/")).await;
        let outcome = page
            .evaluate(&format!(
                "(async () => {{
                    const socket = io({{ transports: ['{transport}'], autoConnect: false, forceNew: true }});
                    const visits = [await (await fetch('/visit')).json()];
                    socket.connect();
                    await new Promise((resolve) => socket.on('connect', resolve));
                    visits.push(await socket.emitWithAck('visit'));
                    visits.push(await (await fetch('/visit')).json());
                    return visits;
                }})()"
            ))
            .await;
        assert_eq!(outcome, json!([1, 2, 3]), "{transport}");
        assert_eq!(site.store.len(), 1, "{transport}");
    }
    browser.close().await;
}
