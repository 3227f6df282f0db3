//! An application as those in axum-login's documentation: a login form that knows where its visitor wanted to go, pages for
//! who is logged in, pages for who may, a logout; its service on our layer in place of tower-sessions'.
//!
//! Clauses: 1, 10.

use std::{collections::HashSet, convert::Infallible};

use ::axum_login::{
    AuthManager, AuthSession, AuthUser, AuthnBackend, AuthzBackend, login_required, permission_required,
};
use ::axum_messages::{Messages, MessagesManagerLayer};
use axum::{
    Form, Router,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use socketioxide::SocketIo;
use socketioxide_session::{
    Backend, MemoryBackend, SessionLayer, StoreBackend, connect_middleware, session_state,
    testing::{TestApp, TestClient},
};
use socketioxide_session_tests::stores::TestStore;
use tower::layer::layer_fn;

#[derive(Clone, Debug)]
struct Librarian {
    name: &'static str,
    /// What changes with the password.
    hash: &'static str,
}

impl AuthUser for Librarian {
    type Id = String;

    fn id(&self) -> String {
        self.name.to_owned()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.hash.as_bytes()
    }
}

#[derive(Clone, Debug)]
struct Staff;

#[derive(Clone, Deserialize)]
struct Credentials {
    name: String,
    password: String,
    next: Option<String>,
}

impl AuthnBackend for Staff {
    type User = Librarian;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, given: Credentials) -> Result<Option<Librarian>, Infallible> {
        Ok(self.get_user(&given.name).await?.filter(|librarian| librarian.hash == given.password))
    }

    async fn get_user(&self, name: &String) -> Result<Option<Librarian>, Infallible> {
        let known = [("ada", "lovelace"), ("grace", "hopper")];
        let found = known.into_iter().find(|(known, _)| known == name);
        Ok(found.map(|(name, hash)| Librarian { name, hash }))
    }
}

impl AuthzBackend for Staff {
    type Permission = &'static str;

    async fn get_group_permissions(&self, user: &Librarian) -> Result<HashSet<&'static str>, Infallible> {
        let all =
            if user.name == "grace" { vec!["shelves.read", "shelves.clear"] } else { vec!["shelves.read"] };
        Ok(all.into_iter().collect())
    }
}

async fn login_form(messages: Messages) -> String {
    messages.into_iter().map(|message| message.to_string()).collect::<Vec<_>>().join(" ")
}

async fn log_in(
    mut auth: AuthSession<Staff>,
    messages: Messages,
    Form(credentials): Form<Credentials>,
) -> Result<Redirect, StatusCode> {
    let next = credentials.next.clone();
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let Some(librarian) = auth.authenticate(credentials).await.map_err(failed)? else {
        messages.error("That is not the password.");
        let back = next.map_or_else(|| "/login".to_owned(), |next| format!("/login?next={next}"));
        return Ok(Redirect::to(&back));
    };
    auth.login(&librarian).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    messages.success(format!("Welcome, {}.", librarian.name));
    Ok(Redirect::to(next.as_deref().unwrap_or("/")))
}

async fn log_out(mut auth: AuthSession<Staff>) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Redirect::to("/login"))
}

async fn shelves(auth: AuthSession<Staff>, messages: Messages) -> Response {
    let Some(librarian) = auth.user else { return StatusCode::UNAUTHORIZED.into_response() };
    let told: Vec<_> = messages.into_iter().map(|message| message.to_string()).collect();
    format!("{} {}'s shelves", told.join(" "), librarian.name).trim().to_owned().into_response()
}

/// What axum-login keeps, for the sockets.
#[session_state(key = "axum-login.data")]
struct LoggedIn {
    user_id: Option<String>,
}

#[connect_middleware(login)]
async fn only_staff(login: &LoggedIn) -> Result<(), &'static str> {
    login.user_id.as_ref().map(|_| ()).ok_or("log in first")
}

fn library(backend: impl Backend) -> TestApp {
    use socketioxide::handler::ConnectHandler as _;

    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", (async || {}).with(only_staff));
    let may_clear = Router::new()
        .route("/clear", post(async || "cleared"))
        .route_layer(permission_required!(Staff, "shelves.clear"));
    let logged_in = Router::new()
        .route("/shelves", get(shelves))
        .route_layer(login_required!(Staff, login_url = "/login"));
    let app = Router::new()
        .merge(may_clear)
        .merge(logged_in)
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .layer(sockets)
        .layer(MessagesManagerLayer)
        .layer(layer_fn(|inner| AuthManager::new(inner, Staff, "axum-login.data")))
        .layer(SessionLayer::new(backend));
    TestApp::new(app)
}

async fn redirected(browser: &TestClient, form: &[(&str, &str)]) -> String {
    let response = browser.post_form("/login", &form).await;
    assert_eq!(response.status(), 303);
    response.headers()["location"].to_str().expect("an address").to_owned()
}

async fn a_day_at_the_library(backend: impl Backend) {
    let app = library(backend);
    let ada = app.client();

    // Nobody: sent to the form, which knows where to go from there.
    let sent = ada.get("/shelves").await;
    assert_eq!(
        (sent.status().as_u16(), &sent.headers()["location"]),
        (307, &"/login?next=%2Fshelves".parse().expect("a header"))
    );
    assert_eq!(ada.post_form("/clear", &()).await.status(), 403);
    ada.connect("/").await.expect_err("staff only");

    // A wrong password: told once, and nobody still.
    let wrong = [("name", "ada"), ("password", "hopper"), ("next", "/shelves")];
    assert_eq!(redirected(&ada, &wrong).await, "/login?next=/shelves");
    assert_eq!(ada.get("/login?next=/shelves").await.text(), "That is not the password.");
    assert_eq!(ada.get("/login").await.text(), "");
    let before = ada.cookies();

    // A login: a new id, the way on, and what was said on the way.
    let right = [("name", "ada"), ("password", "lovelace"), ("next", "/shelves")];
    assert_eq!(redirected(&ada, &right).await, "/shelves");
    assert_ne!(ada.cookies(), before, "a new id");
    assert_eq!(ada.get("/shelves").await.text(), "Welcome, ada. ada's shelves");
    assert_eq!(ada.get("/shelves").await.text(), "ada's shelves");
    let socket = ada.connect("/").await.expect("she is staff");

    // She may read, and not clear; Grace may.
    assert_eq!(ada.post_form("/clear", &()).await.status(), 403);
    let grace = app.client();
    assert_eq!(redirected(&grace, &[("name", "grace"), ("password", "hopper")]).await, "/");
    assert_eq!(grace.post_form("/clear", &()).await.text(), "cleared");

    // A logout: the socket goes with it.
    assert_eq!(ada.post_form("/logout", &()).await.headers()["location"], "/login");
    socket.disconnected().await;
    assert_eq!(ada.get("/shelves").await.status(), 307);
    ada.connect("/").await.expect_err("staff only");
    assert_eq!(grace.get("/shelves").await.text(), "Welcome, grace. grace's shelves");
}

#[tokio::test]
async fn in_memory() {
    a_day_at_the_library(MemoryBackend::default()).await;
}

#[tokio::test]
async fn in_a_store() {
    a_day_at_the_library(StoreBackend::new(TestStore::default())).await;
}
