//! A login form with axum-login, and sockets that follow it: log in or out in one tab, and every tab knows. A list of one's
//! sessions, which can be ended, and an administrator's.

use std::convert::Infallible;

use axum::{
    Form, Json, Router,
    extract::Query,
    http::{HeaderMap, StatusCode, header::USER_AGENT},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use axum_login::{AuthManager, AuthSession, AuthUser, AuthnBackend};
use serde::{Deserialize, Serialize};
use socketioxide::{SocketIo, extract::Data};
use socketioxide_session::{
    Error, EventRouter, Expiry, MemoryBackend, SessionControl, SessionInfo, SessionKey, SessionLayer,
    Sessions, session_state, socket_handler,
    time::{Duration, OffsetDateTime},
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

/// What a list of sessions calls this browser.
fn browser(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let known = ["Edg", "Firefox", "Chrome", "Safari"];
    known.into_iter().find(|name| agent.contains(name)).unwrap_or("Another browser")
}

async fn login(
    mut auth: AuthSession<People>,
    control: SessionControl,
    headers: HeaderMap,
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
    // So that all sessions of this person can be found and ended.
    control.set_owner(person.name.as_str()).map_err(|error| error.kind().status())?;
    control.set_label(browser(&headers)).map_err(|error| error.kind().status())?;
    Ok(Redirect::to("/"))
}

async fn logout(mut auth: AuthSession<People>) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Redirect::to("/"))
}

/// A session, as a page shows it.
#[derive(Serialize)]
struct Row {
    key: SessionKey,
    label: Option<String>,
    minutes_ago: i64,
    is_this_one: bool,
}

fn rows(sessions: Vec<SessionInfo>, this: &SessionKey) -> Json<Vec<Row>> {
    let now = OffsetDateTime::now_utc();
    let rows = sessions.into_iter().map(|session| Row {
        is_this_one: session.key == *this,
        minutes_ago: (now - session.last_active).whole_minutes(),
        label: session.label,
        key: session.key,
    });
    Json(rows.collect())
}

#[derive(Deserialize)]
struct One {
    key: SessionKey,
}

#[derive(Deserialize)]
struct Whose {
    owner: String,
}

/// One's own sessions.
async fn my_sessions(control: SessionControl, sessions: Sessions) -> Result<Response, Error> {
    let Some(owner) = control.owner().await? else { return Ok(StatusCode::UNAUTHORIZED.into_response()) };
    Ok(rows(sessions.by_owner(&owner, 0).await?, &control.key()).into_response())
}

/// Ends one of one's own sessions: `end_of`, for the key comes from the page.
async fn end_one(
    control: SessionControl,
    sessions: Sessions,
    Form(one): Form<One>,
) -> Result<Response, Error> {
    let Some(owner) = control.owner().await? else { return Ok(StatusCode::UNAUTHORIZED.into_response()) };
    sessions.end_of(&owner, &one.key).await?;
    Ok(Redirect::to("/").into_response())
}

async fn end_others(control: SessionControl, sessions: Sessions) -> Result<Response, Error> {
    let Some(owner) = control.owner().await? else { return Ok(StatusCode::UNAUTHORIZED.into_response()) };
    sessions.end_others_of(&owner, &control.key()).await?;
    Ok(Redirect::to("/").into_response())
}

/// Grace may see, and end, everybody's.
fn is_admin(auth: &AuthSession<People>) -> bool {
    auth.user.as_ref().is_some_and(|person| person.name == "grace")
}

async fn sessions_of(
    auth: AuthSession<People>,
    control: SessionControl,
    sessions: Sessions,
    Query(whose): Query<Whose>,
) -> Result<Response, Error> {
    if !is_admin(&auth) {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    Ok(rows(sessions.by_owner(&whose.owner, 0).await?, &control.key()).into_response())
}

async fn throw_out(
    auth: AuthSession<People>,
    sessions: Sessions,
    Form(whose): Form<Whose>,
) -> Result<Response, Error> {
    if !is_admin(&auth) {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    sessions.end_by_owner(&whose.owner).await?;
    Ok(Redirect::to("/").into_response())
}

/// How the pages look: the application's own, beside what axum-login keeps. Every tab is sent it.
#[session_state(emit = "look")]
struct Look {
    dark: bool,
}

#[socket_handler(look)]
async fn dark(look: &mut Look, Data(dark): Data<bool>) {
    look.dark = dark;
}

/// What is returned is the client's acknowledgement.
#[socket_handler(login)]
async fn whoami(login: &Login) -> Option<String> {
    login.user_id.clone()
}

/// The application, for `main` and for its tests.
pub fn app() -> Router {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", EventRouter::new().on("whoami", whoami).on("dark", dark));

    Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/sessions", get(my_sessions))
        .route("/sessions/end", post(end_one))
        .route("/sessions/end-others", post(end_others))
        .route("/admin/sessions", get(sessions_of))
        .route("/admin/throw-out", post(throw_out))
        .layer(sockets)
        // axum-login's own layer brings tower-sessions' layer along; its service takes the session that is there.
        .layer(layer_fn(|inner| AuthManager::new(inner, People, LOGIN)))
        .layer(
            SessionLayer::new(MemoryBackend::default())
                .with_live::<Look>()
                .with_expiry(Expiry::OnInactivity(Duration::hours(2)))
                // Over plain http a Secure cookie travels to localhost alone, if at all.
                .with_secure(false),
        )
}
