//! What lies between the layers, or beside them: compression, a login on the handshake itself, two layers of ours, another
//! layer that sets a cookie of our name, and a Socket.IO path that the layer was not told.
//!
//! Clauses: 10, 12.

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use reqwest::Method;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide_session::{
    Error, EventRouter, MemoryBackend, Session, SessionControl, SessionLayer, connect_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::shop::{self, User},
    http,
    raw::RawSocket,
};
use tower_http::compression::CompressionLayer;

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

#[socket_handler(user)]
async fn who(user: &User) -> Option<String> {
    user.name.clone()
}

#[socket_handler(user)]
async fn rename(user: &mut User) {
    user.name = Some("Eve".to_owned());
}

#[connect_handler(user)]
async fn connected(user: &User) {
    let _ = user;
}

fn routes() -> Router {
    Router::new()
        .route("/login", get(shop::http::login))
        .route("/who", get(shop::http::who))
        .route("/visit", get(shop::http::visit))
        .route("/logout", get(shop::http::logout))
}

/// Status, body and number of cookies of one request.
async fn ask(
    app: &App,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, usize) {
    let answer = http::send(app, method, path, headers.iter().copied(), body).await;
    let cookies = answer.set_cookies().len();
    (answer.status, answer.body, cookies)
}

fn sid_of(body: &str) -> String {
    let opening: Value = serde_json::from_str(&body[1..]).expect("the opening's JSON");
    opening["sid"].as_str().expect("a sid").to_owned()
}

/// A compressing layer between the layers, as in the order that the README has them.
#[tokio::test]
async fn a_sid_opens_nothing_under_compression() {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("who", who).on("rename", rename));
    let compressed = routes().layer(sockets).layer(CompressionLayer::new());
    let app = App::new(compressed.layer(sessions(MemoryBackend::default())));
    let cookie = http::get(&app, "/login", None).await.new_cookie();
    let gzip = [("accept-encoding", "gzip"), ("cookie", &*cookie)];
    let (status, body, _) = ask(&app, Method::GET, HANDSHAKE, &gzip, "").await;
    assert_eq!(status, 200);
    let sid = sid_of(&body);
    let of = format!("{HANDSHAKE}&sid={sid}");
    assert_eq!(ask(&app, Method::POST, &of, &gzip, "40").await.0, 200);
    for (method, body) in [(Method::GET, ""), (Method::POST, r#"42["rename"]"#)] {
        let stranger = [("accept-encoding", "gzip")];
        assert_eq!(ask(&app, method, &of, &stranger, body).await.0, 403);
    }
    assert_eq!(http::get(&app, "/who", Some(&cookie)).await.json(), "Ada");
}

/// Something that encodes the handshake whatever was asked for: nobody could tell whose connection it is.
#[tokio::test]
async fn a_handshake_that_cannot_be_read_is_refused() {
    async fn garble(request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        if response.headers().contains_key("content-type") {
            *response.body_mut() = "\u{1f}garbled".into();
            response.headers_mut().remove("content-length");
        }
        response
    }
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("who", who).on("rename", rename));
    let app =
        App::new(routes().layer(sockets).layer(from_fn(garble)).layer(sessions(MemoryBackend::default())));
    let (status, body, _) = ask(&app, Method::GET, HANDSHAKE, &[], "").await;
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("handshake"), "{body}");
}

/// As a proxy that knows the visitor, or a remember-me cookie, logs somebody in on any request.
async fn log_in_by_header(
    session: Session,
    control: SessionControl,
    request: Request,
    next: Next,
) -> Response {
    let known: Option<String> = session.get("known").await.expect("a session that can be read");
    if request.headers().contains_key("x-remember") && known.is_none() {
        session.insert("known", "Ada").await.expect("a session that takes values");
        control.cycle_id().expect("a session whose id can change");
    }
    next.run(request).await
}

#[socket_handler]
async fn known(shared: socketioxide_session::Shared<User>) -> Result<Option<String>, Error> {
    shared.update(|user| user.visits += 1).await?;
    shared.read().await.map(|user| user.name.clone())
}

fn connected_to_whom() -> EventRouter {
    EventRouter::new().on("known", known)
}

#[tokio::test]
async fn a_handshake_whose_own_request_changes_the_id_is_bound_to_the_new_one() {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected_to_whom());
    let remembered = routes().layer(sockets).layer(from_fn(log_in_by_header));
    let app = App::new(remembered.layer(sessions(MemoryBackend::default())));
    for with_session in [true, false] {
        let old =
            if with_session { http::get(&app, "/login", None).await.new_cookie() } else { "id=x".to_owned() };
        let headers = [("cookie", &*old), ("x-remember", "yes")];
        let name = if with_session { json!("Ada") } else { Value::Null };

        // Over WebSocket.
        let mut socket = RawSocket::open_with(&app, &headers).await.expect("a handshake");
        let new =
            socket.set_cookies.last().expect("a cookie").split(';').next().expect("a cookie").to_owned();
        assert_ne!(new, old);
        socket.join("/").await.expect("a connection");
        assert_eq!(socket.ask("known", &[]).await, name);
        assert_eq!(http::get(&app, "/who", Some(&new)).await.json(), name);

        // Over polling.
        let old = http::get(&app, "/login", None).await.new_cookie();
        let headers = [("cookie", &*old), ("x-remember", "yes")];
        let handshake = http::get_with(&app, HANDSHAKE, headers).await;
        let new = handshake.new_cookie();
        let of = format!("{HANDSHAKE}&sid={}", sid_of(&handshake.body));
        assert_eq!(ask(&app, Method::POST, &of, &[("cookie", &old)], "40").await.0, 403);
        assert_eq!(ask(&app, Method::POST, &of, &[("cookie", &new)], "40").await.0, 200);
    }
}

#[tokio::test]
async fn an_inner_layer_of_the_same_cookie_leaves_the_session_to_the_outer_one() {
    let backend = MemoryBackend::default();
    let layer = sessions(backend.clone());
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("who", who).on("rename", rename));
    let app = App::new(routes().layer(layer.clone()).layer(sockets).layer(layer));
    let cookie = http::get(&app, "/login", None).await.new_cookie();
    assert_eq!(http::get(&app, "/who", Some(&cookie)).await.json(), "Ada");
    let visit = http::get(&app, "/visit", Some(&cookie)).await;
    assert_eq!(visit.set_cookies(), [""; 0]);
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    assert_eq!(socket.ask("who", &[]).await, "Ada");
    assert_eq!(http::get(&app, "/logout", Some(&cookie)).await.set_cookies().len(), 1);
}

#[tokio::test]
async fn two_cookie_names_on_one_backend_are_two_sessions_and_a_sid_belongs_to_the_one_that_bound_it() {
    let backend = MemoryBackend::default();
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("who", who).on("rename", rename));
    let inner = routes().layer(sockets).layer(sessions(backend.clone()).with_name("admin"));
    let app = App::new(inner.layer(sessions(backend)));
    let admin = http::get(&app, "/login", None).await.new_cookie();
    assert!(admin.starts_with("admin="), "{admin}");
    let handshake = http::get(&app, HANDSHAKE, Some(&admin)).await;
    assert_eq!(handshake.status, 200);
    let of = format!("{HANDSHAKE}&sid={}", sid_of(&handshake.body));
    assert_eq!(ask(&app, Method::POST, &of, &[("cookie", &admin)], "40").await.0, 200);
    for stranger in [vec![], vec![("cookie", "id=AAAAAAAAAAAAAAAAAAAAAA")]] {
        assert_eq!(ask(&app, Method::POST, &of, &stranger, r#"42["rename"]"#).await.0, 403);
        assert_eq!(ask(&app, Method::GET, &of, &stranger, "").await.0, 403);
    }
    assert_eq!(ask(&app, Method::GET, &of, &[("cookie", &admin)], "").await.0, 200);
    assert_eq!(http::get(&app, "/who", Some(&admin)).await.json(), "Ada");
}

#[tokio::test]
async fn where_the_layer_was_not_told_the_path_sockets_are_refused_and_told_what_to_write() {
    let open = |layer: SessionLayer| {
        let (sockets, io) = SocketIo::builder().req_path("/chat").build_layer();
        io.ns("/", connected.on("who", who).on("rename", rename));
        App::new(routes().layer(sockets).layer(layer))
    };
    let untold = open(sessions(MemoryBackend::default()));
    let (status, body, _) = ask(&untold, Method::GET, "/chat/?EIO=4&transport=polling", &[], "").await;
    assert_eq!(status, 200);
    let of = format!("/chat/?EIO=4&transport=polling&sid={}", sid_of(&body));
    ask(&untold, Method::POST, &of, &[], "40").await;
    let (_, refusal, _) = ask(&untold, Method::GET, &of, &[], "").await;
    assert!(refusal.contains("with_socket_path") && refusal.contains("/chat"), "{refusal}");
    // Told, alone or among others.
    for told in [
        open(sessions(MemoryBackend::default()).with_socket_path("/chat")),
        open(sessions(MemoryBackend::default()).with_socket_paths(["/socket.io", "/chat"])),
    ] {
        let stranger = [("origin", "https://evil.example")];
        assert_eq!(ask(&told, Method::GET, "/chat/?EIO=4&transport=polling", &stranger, "").await.0, 403);
        let (status, body, cookies) =
            ask(&told, Method::GET, "/chat/?EIO=4&transport=polling", &[], "").await;
        assert_eq!((status, cookies), (200, 1));
        assert!(body.contains("sid"));
    }
}

/// What engineioxide opens, whatever the order and the dress, is a handshake with a session and a judged origin.
#[tokio::test]
async fn odd_handshakes_are_handshakes() {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("who", who).on("rename", rename));
    let app = App::new(routes().layer(sockets).layer(sessions(MemoryBackend::default())));
    for path in [
        "/socket.io/?transport=polling&EIO=4",
        "/socket.io/?EIO=4=x&transport=polling=x",
        "/socket.io/?t=1&EIO=4&EIO=3&transport=polling&transport=websocket",
        "/socket.io?EIO=4&transport=polling",
        "/socket.io/a/b?EIO=4&transport=polling",
    ] {
        let (status, body, cookies) = ask(&app, Method::GET, path, &[], "").await;
        assert_eq!((status, cookies), (200, 1), "{path}: {body}");
        let stranger = [("origin", "https://evil.example")];
        assert_eq!(ask(&app, Method::GET, path, &stranger, "").await.0, 403, "{path}");
    }
    for path in [
        "/socket.io/?eio=4&transport=polling",
        "/socket.io/?EIO=4&transport=Polling",
        "/socket.io/?EIO=%34&transport=polling",
    ] {
        let (status, _, cookies) = ask(&app, Method::GET, path, &[], "").await;
        assert_eq!((status, cookies), (400, 0), "{path}");
    }
}
