//! A login form with axum-login, and sockets that follow it: log in or out in one tab, and every tab knows.

use std::convert::Infallible;

use axum::{
    Form, Router,
    http::StatusCode,
    response::{Html, Redirect},
    routing::{get, post},
};
use axum_login::{AuthManager, AuthSession, AuthUser, AuthnBackend};
use serde::Deserialize;
use socketioxide::SocketIo;
use socketioxide_session::{
    EventRouter, MemoryBackend, SessionControl, SessionLayer, session_state, socket_handler,
};
use tower::layer::layer_fn;

/// Where axum-login keeps who is logged in.
const LOGIN: &str = "axum-login.data";

/// What axum-login keeps there, as session state: as much of it as the sockets need.
#[session_state(key = "axum-login.data")]
struct Login {
    user_id: Option<String>,
}

#[derive(Clone, Debug)]
struct Person {
    name: String,
    password: String,
}

impl AuthUser for Person {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.password.as_bytes()
    }
}

/// Knows two people. Yours has a database, with hashes of passwords.
#[derive(Clone, Debug)]
struct People;

impl People {
    fn find(name: &str) -> Option<Person> {
        let known = [("ada", "lovelace"), ("grace", "hopper")];
        let (name, password) = known.into_iter().find(|(known, _)| *known == name)?;
        Some(Person { name: name.to_owned(), password: password.to_owned() })
    }
}

#[derive(Clone, Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

impl AuthnBackend for People {
    type User = Person;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, given: Credentials) -> Result<Option<Person>, Infallible> {
        Ok(Self::find(&given.name).filter(|person| person.password == given.password))
    }

    async fn get_user(&self, name: &String) -> Result<Option<Person>, Infallible> {
        Ok(Self::find(name))
    }
}

async fn login(
    mut auth: AuthSession<People>,
    control: SessionControl,
    Form(credentials): Form<Credentials>,
) -> Result<Redirect, StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let Some(person) = auth.authenticate(credentials).await.map_err(failed)? else {
        return Ok(Redirect::to("/?wrong"));
    };
    if auth.user.is_some() {
        // axum-login gives the session a new id, but not where somebody is logged in already.
        control.cycle_id().map_err(|error| error.kind().status())?;
    }
    auth.login(&person).await.map_err(failed)?;
    Ok(Redirect::to("/"))
}

async fn logout(mut auth: AuthSession<People>) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Redirect::to("/"))
}

/// What is returned is the client's acknowledgement.
#[socket_handler(login)]
async fn whoami(login: &Login) -> Option<String> {
    login.user_id.clone()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", EventRouter::new().on("whoami", whoami));

    let app = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(sockets)
        // axum-login's own layer brings tower-sessions' layer along; its service takes the session that is there.
        .layer(layer_fn(|inner| AuthManager::new(inner, People, LOGIN)))
        // Over plain http a Secure cookie travels to localhost alone, if at all.
        .layer(SessionLayer::new(MemoryBackend::default()).with_secure(false));

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
