//! An application whose login says whose session it is.

use axum::{
    Json, Router,
    extract::{Path, Query},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide_session::{
    Error, EventRouter, Page, SessionControl, SessionInfo, SessionKey, SessionLayer, Sessions, Shared,
    http_handler, session_alive, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, with_sockets},
    client::Client,
};

#[session_state]
pub(crate) struct User {
    pub(crate) name: Option<String>,
    pub(crate) visits: u32,
}

#[derive(Deserialize)]
struct Login {
    name: String,
    label: Option<String>,
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl, Query(login): Query<Login>) -> Result<(), Error> {
    control.set_owner(login.name.as_str())?;
    control.set_label(login.label.as_deref())?;
    user.name = Some(login.name);
    Ok(())
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<(u32, Option<String>)> {
    Json((user.visits, user.name.clone()))
}

#[http_handler]
async fn forget_owner(control: SessionControl) -> Result<(), Error> {
    control.set_owner(None)
}

#[http_handler]
async fn relabel(control: SessionControl, Path(label): Path<String>) -> Result<(), Error> {
    control.set_label(label.as_str())
}

#[http_handler]
async fn cycle(control: SessionControl) -> Result<(), Error> {
    control.cycle_id()
}

#[http_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

async fn key(control: SessionControl) -> String {
    control.key().to_string()
}

async fn owner(control: SessionControl) -> Result<Json<Option<String>>, Error> {
    control.owner().await.map(Json)
}

async fn mine(control: SessionControl, sessions: Sessions) -> Result<Json<Vec<Value>>, Error> {
    let Some(owner) = control.owner().await? else { return Ok(Json(Vec::new())) };
    let mine = sessions.by_owner(&owner, 0).await?;
    Ok(Json(mine.iter().map(|info| json!([info.label, info.key])).collect()))
}

async fn end_others(control: SessionControl, sessions: Sessions) -> Result<String, Error> {
    let owner = control.owner().await?.expect("somebody who is logged in");
    sessions.end_others_of(&owner, &control.key()).await.map(|ended| ended.to_string())
}

#[socket_handler(user)]
async fn count(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[socket_handler()]
async fn claim(control: SessionControl) -> Result<(), Error> {
    control.set_owner("ada")
}

#[socket_handler()]
async fn owners_sessions(control: SessionControl, sessions: Sessions) -> Result<usize, Error> {
    let owner = control.owner().await?.unwrap_or_else(|| "nobody".to_owned());
    sessions.by_owner(&owner, 0).await.map(|sessions| sessions.len())
}

pub(crate) fn app(layer: SessionLayer) -> App {
    let routes = Router::new()
        .route("/login", get(login))
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/forget-owner", get(forget_owner))
        .route("/label/{label}", get(relabel))
        .route("/cycle", get(cycle))
        .route("/logout", get(logout))
        .route("/key", get(key))
        .route("/owner", get(owner))
        .route("/mine", get(mine))
        .route("/end-others", get(end_others));
    let sockets = with_sockets(routes, (), |io| {
        let events = EventRouter::new();
        io.ns("/", events.on("count", count).on("claim", claim).on("sessions", owners_sessions));
        io.ns("/alive", socketioxide::handler::ConnectHandler::with(async || {}, session_alive));
    });
    App::new(sockets.layer(layer))
}

/// Somebody who is logged in.
pub(crate) async fn user(app: &App, name: &str, label: &str) -> Client {
    let client = Client::new(app);
    client.get(&format!("/login?name={name}&label={label}")).await.ok();
    client
}

/// What the cookie holds.
pub(crate) fn id_of(client: &Client) -> String {
    let cookie = client.session();
    let (_, id) = cookie.split_once('=').expect("a cookie");
    assert!(id.len() > 20, "{id}");
    id.to_owned()
}

pub(crate) async fn key_of(client: &Client) -> SessionKey {
    client.get("/key").await.ok().into()
}

/// The labels of an owner's sessions, in the order in which they come.
pub(crate) async fn labels(sessions: &Sessions, owner: &str) -> Vec<String> {
    let page = sessions.by_owner(owner, Page::new(0, 1000)).await.expect("a list");
    page.into_iter().filter_map(|SessionInfo { label, .. }| label).collect()
}

/// The number of visits, by the key alone.
pub(crate) async fn visits_of(user: &Shared<User>) -> u32 {
    user.read().await.expect("a state").visits
}
