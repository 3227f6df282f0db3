//! Ids are secrets: in a whole run, written down to the last detail, none appears.
//!
//! Clauses: 12.

use axum::{Router, extract::Request, middleware::Next, routing::get};
use socketioxide::extract::SocketRef;
use socketioxide_session::{
    Key, SessionControl, SessionLayer, Shared, StoreBackend, connect_handler, http_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::site::{Of, Parts, User, parts},
    http::{self, Browser},
    log::Log,
    raw::{RawSocket, poll},
    stores::{self, Step, TestStore},
};

/// An application that writes down whatever it can get hold of.
#[http_handler(user)]
async fn tell_all(
    user: &User,
    control: SessionControl,
    shared: Shared<User>,
    session: socketioxide_session::Session,
) {
    let keys = session.get_value("user").await;
    tracing::info!(?control, ?shared, ?keys, name = ?user.name, "all that a handler has");
}

#[connect_handler]
async fn tell_all_of(socket: SocketRef, control: SessionControl) {
    let (request, rooms) = (socket.req_parts(), socket.rooms());
    tracing::info!(?socket, ?request, ?rooms, ?control, "all that a connect handler has");
}

/// Everything in which an id may be written.
fn forms(cookie: &str) -> Vec<String> {
    let id = stores::id(cookie);
    let text = id.to_string();
    vec![
        text[..text.len() - 2].to_owned(),
        id.0.to_string(),
        format!("{:x}", id.0),
        format!("{:?}", id.0.to_le_bytes()),
        format!("{:?}", id.0.to_be_bytes()),
    ]
}

/// The whole story: visits, sockets over both transports, logins, logouts, and everything that goes wrong.
async fn story(log: &Log, layer: impl Fn(SessionLayer) -> SessionLayer) -> Vec<String> {
    let store = TestStore::default();
    let backend = StoreBackend::new(store.clone());
    let layer = layer(sessions(backend.clone()));
    log.add(format!("{layer:?} {backend:?}\n"));
    let Parts { router, io, tools } = parts(layer.clone());
    io.ns("/tell", tell_all_of);
    let tell = Router::new().route("/tell", get(tell_all)).layer(layer.clone());
    let outer = tell.fallback_service(router).layer(axum::middleware::from_fn(
        async |request: Request, next: Next| {
            let response = next.run(request).await;
            // As tower-http's `TraceLayer` writes it.
            tracing::debug!(status = ?response.status(), headers = ?response.headers(), "a response");
            response
        },
    ));
    let app = App::new(outer);
    let ids = || store.ids();
    let mut seen: Vec<String> = Vec::new();
    let mut told: Vec<String> = Vec::new();

    for of in Of::ALL {
        let browser = Browser::new(&app);
        browser.get("/visit").await.ok();
        seen.extend(ids());
        let old = browser.session();
        let mut socket = RawSocket::connect(&app, Some(&old)).await;
        socket.join("/tell").await.expect("a connection");
        poll(&app, Some(&old)).await.ok();
        told.push(socket.ask("cycle", &[]).await.to_string());
        told.push(socket.ask("key", &[]).await.to_string());
        for path in ["/login?status=500", "/login/err", "/plain/visit", "/auth/who", &of.path("login")] {
            told.push(browser.get(path).await.body);
            seen.extend(ids());
        }
        for event in ["visit", "who"] {
            // The answer is an error or none comes: the socket is about to end.
            socket.emit(event, &[]).await;
        }
        for path in ["/visit", "/plain/visit", "/login", "/logout"] {
            told.push(http::get(&app, path, Some(&old)).await.body);
        }
        told.push(poll(&app, Some(&old)).await.body);
        for broken in [Step::Load, Step::Write, Step::Delete] {
            store.break_down(broken);
            for path in ["/visit", "/login", "/plain/visit", "/auth/login", "/logout"] {
                told.push(browser.get(path).await.body);
            }
            store.recover();
            seen.extend(ids());
        }
        browser.get("/visit").await.ok();
        browser.get("/tell").await.ok();
        let cookie = browser.session();
        let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
        told.push(format!("{:?}", socket.join("/tell").await));
        seen.extend(ids());
        told.push(browser.get(&of.path("logout")).await.body);
        socket.disconnected("/").await;
        told.push(format!("{:?}", socket.join("/").await));
        told.push(format!(
            "{:?}",
            RawSocket::open(&app, Some("id=AAAAAAAAAAAAAAAAAAAAAA; id=A")).await.err()
        ));
        seen.extend(ids());
    }
    log.add(format!("{told:?}\n{tools:?}\n"));
    seen.sort();
    seen.dedup();
    seen
}

#[tokio::test]
async fn no_id_is_in_the_log_of_a_whole_run() {
    let (log, logging) = Log::begin(tracing::Level::TRACE);
    let key = Key::generate();
    let mut ids = story(&log, |layer| layer).await;
    ids.extend(story(&log, move |layer| layer.with_private(key.clone())).await);
    drop(logging);

    let text = log.text();
    for expected in ["all that a handler has", "all that a connect handler has", "engineioxide", "Sensitive"]
    {
        assert!(text.contains(expected), "the log is no log: {expected}");
    }
    assert!(ids.len() > 20 && text.len() > 100_000, "{} ids, {} bytes", ids.len(), text.len());
    println!("{} ids, none in {} bytes", ids.len(), text.len());
    for id in &ids {
        for form in forms(&format!("id={id}")) {
            if let Some(at) = text.find(&form) {
                panic!("an id, near: {}", &text[at.saturating_sub(300)..(at + 100).min(text.len())]);
            }
        }
    }
}
