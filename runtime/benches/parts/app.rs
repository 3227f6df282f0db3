//! The application, in process.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex},
};

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, Response, header},
    routing::{any, get},
};
use socketioxide_session::{MemoryBackend, Session, SessionLayer, SessionState, Shared, http_handler};
use tokio::sync::Notify;
use tower_service::Service;

use crate::state::{Content, Countable, State};

pub(crate) async fn nothing() {}

#[http_handler(state)]
async fn read(state: &State) -> String {
    state.count.to_string()
}

#[http_handler(state)]
async fn write(state: &mut State) -> String {
    state.count += 1;
    state.count.to_string()
}

#[http_handler(state)]
async fn hold(state: &mut State, Extension(gate): Extension<Arc<Notify>>) {
    gate.notified().await;
    state.count += 1;
}

async fn plain(session: Session) {
    let count = session.get::<u64>("count").await.ok().flatten().unwrap_or_default();
    session.insert("count", count + 1).await.ok();
}

/// As Socket.IO answers a handshake; the connection itself would be measured.
async fn handshake() -> &'static str {
    r#"0{"sid":"AAAAAAAAAAAAAAAA","upgrades":["websocket"]}"#
}

/// Hands a handler's `Shared` out.
type Out<T> = Arc<Mutex<Option<Shared<T>>>>;

async fn hand_out<T: SessionState>(shared: Shared<T>, Extension(out): Extension<Out<T>>) {
    *out.lock().expect("nobody panicked") = Some(shared);
}

pub(crate) fn app<T: SessionState>() -> Router {
    Router::new()
        .route("/", get(nothing))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/hold", get(hold))
        .route("/plain", get(plain))
        .route("/shared", get(hand_out::<T>))
        .route("/socket.io/", any(handshake))
        .layer(SessionLayer::new(MemoryBackend::default()))
}

pub(crate) fn request(path: &str, headers: &[(header::HeaderName, &str)]) -> Request<Body> {
    let request = Request::builder().uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
    request.body(Body::empty()).expect("a request")
}

/// A router is always ready.
pub(crate) fn send(
    app: &Router,
    request: Request<Body>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    app.clone().call(request)
}

/// The cookie of a session that begins.
pub(crate) async fn begin(app: &Router) -> String {
    let Ok(response) = send(app, request("/plain", &[])).await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().expect("a readable cookie");
    cookie.split(';').next().expect("a cookie before its attributes").to_owned()
}

pub(crate) async fn shared<T: SessionState>(app: &Router) -> (String, Shared<T>) {
    let cookie = begin(app).await;
    let out = Out::<T>::default();
    let app = app.clone().layer(Extension(Arc::clone(&out)));
    let Ok(_) = send(&app, request("/shared", &[(header::COOKIE, &cookie)])).await;
    let shared = out.lock().expect("nobody panicked").take().expect("a handler that ran");
    (cookie, shared)
}

pub(crate) async fn set<T: Countable>(shared: &Shared<T>, content: Content) {
    shared.update(|state| *state = T::of(content)).await.expect("a session");
}

/// A session with that state.
pub(crate) async fn ready<T: Countable>(content: Content) -> Shared<T> {
    let (_, shared) = shared(&app::<T>()).await;
    set(&shared, content).await;
    shared
}
