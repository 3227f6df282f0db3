//! An owner that is asked for, beside all else that becomes of a call.
//!
//! Clauses: 5, 10, 12, 16.

use axum::{
    Json, Router, extract::Request, http::StatusCode, middleware::Next, middleware::from_fn,
    response::Response, routing::get,
};
use serde_json::json;
use socketioxide_session::{
    Backend, Error, EventRouter, MemoryBackend, RedisBackend, Session, SessionControl, Sessions,
    http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    log::Log,
    redis_server::RedisServer,
};
use tracing::Level;

use crate::stage::{id_of, labels};

#[session_state]
struct Guest {
    name: Option<String>,
}

/// As axum-login does it: by a plain `Session`.
async fn plain(session: Session, control: SessionControl) -> Result<String, Error> {
    session.insert("axum-login.data", "ada").await.unwrap();
    session.cycle_id().await.unwrap();
    control.set_owner("ada")?;
    control.set_label("plain")?;
    session.insert("more", 1).await.unwrap();
    Ok(control.key().to_string())
}

#[http_handler(guest)]
async fn both(guest: &mut Guest, session: Session, control: SessionControl) -> Result<(), Error> {
    session.insert("axum-login.data", "ada").await.unwrap();
    session.cycle_id().await.unwrap();
    control.set_owner("ada")?;
    control.set_label("both")?;
    guest.name = Some("ada".to_owned());
    Ok(())
}

#[http_handler(guest)]
async fn fails(guest: &mut Guest, control: SessionControl) -> Result<(), StatusCode> {
    guest.name = Some("ada".to_owned());
    control.set_owner("ada").map_err(|_| StatusCode::IM_A_TEAPOT)?;
    Err(StatusCode::UNAUTHORIZED)
}

#[http_handler(guest)]
async fn kept(guest: &mut Guest, control: SessionControl) -> Result<(), StatusCode> {
    guest.name = Some("ada".to_owned());
    control.set_label("kept").and_then(|()| control.set_owner("ada")).map_err(|_| StatusCode::IM_A_TEAPOT)?;
    control.keep_changes().map_err(|_| StatusCode::IM_A_TEAPOT)?;
    Err(StatusCode::UNAUTHORIZED)
}

async fn broken(control: SessionControl) -> Result<StatusCode, Error> {
    control.set_owner("ada")?;
    Ok(StatusCode::INTERNAL_SERVER_ERROR)
}

#[http_handler(guest)]
async fn flushed(guest: &mut Guest, control: SessionControl) -> Result<(), Error> {
    guest.name = Some("ada".to_owned());
    control.set_owner("ada")?;
    control.flush()
}

#[http_handler]
async fn twice(control: SessionControl) -> Result<(), Error> {
    control.set_owner("bea")?;
    control.set_label("twice")?;
    control.set_owner("ada")
}

async fn bare(control: SessionControl) -> Result<(), Error> {
    control.set_owner("ada")?;
    control.set_label("bare")
}

#[http_handler(guest)]
async fn around(guest: &mut Guest, control: SessionControl, request: Request, next: Next) -> Response {
    guest.name = Some("around".to_owned());
    control.set_label("around").unwrap();
    next.run(request).await
}

async fn owner(control: SessionControl) -> Result<Json<Option<String>>, Error> {
    control.owner().await.map(Json)
}

#[http_handler(guest)]
async fn visit(guest: &mut Guest) {
    guest.name = Some("a guest".to_owned());
}

#[socket_handler()]
async fn label(control: SessionControl) -> Result<(), Error> {
    control.set_label("by a socket")
}

fn stage(backend: impl Backend) -> (App, Sessions) {
    let layer = sessions(backend);
    let routes = Router::new()
        .route("/plain", get(plain))
        .route("/both", get(both))
        .route("/fails", get(fails))
        .route("/kept", get(kept))
        .route("/broken", get(broken))
        .route("/flushed", get(flushed))
        .route("/twice", get(twice))
        .route("/bare", get(bare))
        .route("/around", get(bare).layer(from_fn(around)))
        .route("/around/broken", get(broken).layer(from_fn(around)))
        .route("/visit", get(visit))
        .route("/owner", get(owner));
    let sockets = with_sockets(routes, (), |io| {
        io.ns("/", EventRouter::new().on("label", label));
    });
    (App::new(sockets.layer(layer.clone())), layer.sessions())
}

/// The owner commits where the rest of its call does, with a new id, and else nothing of it does.
async fn commits_with_its_call(backend: impl Backend) {
    let (app, all) = stage(backend);
    for (path, commits) in [
        ("/plain", Some("plain")),
        ("/both", Some("both")),
        ("/kept", Some("kept")),
        ("/twice", Some("twice")),
        ("/bare", Some("bare")),
        ("/around", Some("bare")),
        ("/fails", None),
        ("/broken", None),
        ("/around/broken", None),
        ("/flushed", None),
    ] {
        for had_session in [false, true] {
            let client = Client::new(&app);
            if had_session {
                client.get("/visit").await.ok();
            }
            let before = client.cookie();
            client.get(path).await;
            let (owner, found) = (client.get("/owner").await.json(), labels(&all, "ada").await);
            assert_eq!(owner, commits.map_or(json!(null), |_| json!("ada")), "{path}, {had_session}");
            assert_eq!(found, Vec::from_iter(commits), "{path}, {had_session}");
            if commits.is_some() {
                assert_ne!(client.cookie(), before, "{path}, {had_session}: another owner is another id");
            }
            assert_eq!(all.end_by_owner("ada").await.unwrap(), found.len(), "{path}, {had_session}");
        }
    }
}

#[tokio::test]
async fn an_owner_commits_with_its_call() {
    commits_with_its_call(MemoryBackend::default()).await;
}

/// And it stands in no log, as no label and no id does.
#[tokio::test]
async fn an_owner_commits_with_its_call_on_redis() {
    let (log, _logging) = Log::begin(Level::TRACE);
    let server = RedisServer::start().await;
    commits_with_its_call(RedisBackend::connect(server.url()).await.unwrap()).await;
    let (app, all) = stage(RedisBackend::connect(server.url()).await.unwrap());
    let client = Client::new(&app);
    client.get("/twice").await.ok();
    let mut socket = Socket::connect(&app, client.cookie().as_deref()).await;
    assert_eq!(socket.ask("label", &[]).await, json!(null));
    assert_eq!(labels(&all, "ada").await, ["by a socket"]);
    let id = id_of(&client);
    assert!(log.text().lines().count() > 100, "there is something to look for, and where");
    for secret in [&*id, "by a socket", "ada"] {
        assert_eq!(log.lines(secret), 0, "{secret}: {}", log.text());
    }
    let _: () = server.command(&["FLUSHALL"]).await;
    assert!(all.by_owner("ada", 0).await.unwrap().is_empty());
    assert_eq!(all.end_by_owner("ada").await.unwrap(), 0);
    assert_eq!(client.get("/owner").await.json(), json!(null));
}
