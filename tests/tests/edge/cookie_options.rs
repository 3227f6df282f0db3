//! The cookie as the layer's options want it.
//!
//! Clauses: 12.

use axum::{Json, Router, routing::get};
use socketioxide_session::{Expiry, Key, MemoryBackend, SameSite, SessionLayer, http_handler, session_state};
use socketioxide_session_tests::{
    app::{App, sessions},
    http,
};

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

async fn app_on(backend: &MemoryBackend, layer: impl FnOnce(SessionLayer) -> SessionLayer) -> App {
    let routes = Router::new().route("/visit", get(visit)).route("/visits", get(visits));
    App::serve(routes.layer(layer(sessions(backend.clone())))).await
}

/// The `Set-Cookie` line of a first visit.
async fn line(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> String {
    let app = app_on(&MemoryBackend::default(), layer).await;
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
    let app = app_on(&MemoryBackend::default(), |layer| layer.with_always_save(true)).await;
    let cookie = http::get(&app, "/visit", None).await.new_cookie();
    assert_eq!(http::get(&app, "/visits", Some(&cookie)).await.new_cookie(), cookie);
    assert_eq!(http::get(&app, "/visits", None).await.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn signing_keys_rotate() {
    let (old, new) = (Key::generate(), Key::generate());
    for rotate in [SessionLayer::with_signed, SessionLayer::with_private] as [fn(_, [Key; 2]) -> _; 2] {
        let backend = MemoryBackend::default();
        let spare = Key::generate();
        let before = app_on(&backend, |layer| rotate(layer, [old.clone(), spare])).await;
        let cookie = http::get(&before, "/visit", None).await.new_cookie();
        let after = app_on(&backend, |layer| rotate(layer, [new.clone(), old.clone()])).await;
        assert_eq!(http::get(&after, "/visits", Some(&cookie)).await.json(), 1);
        let without = app_on(&backend, |layer| rotate(layer, [new.clone(), Key::generate()])).await;
        assert_eq!(http::get(&without, "/visits", Some(&cookie)).await.json(), 0);
    }
}
