//! A small chat: log in with a form, talk over sockets, log out over a socket, in as many tabs as you like.

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Router,
    http::header::CONTENT_TYPE,
    response::{Html, Redirect},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef, State},
    socket::Sid,
};
use socketioxide_session::{
    Error, MemoryBackend, SessionControl, SessionLayer, connect_handler, http_handler, session_state,
    socket_handler,
};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// Every tab is sent it, as the event `user`, when it connects and whenever it has changed.
#[session_state(emit = "user")]
struct User {
    name: Option<String>,
    visits: u32,
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// What everybody sees of a message.
#[derive(Serialize)]
struct Message<'a> {
    from: &'a str,
    text: &'a str,
}

#[http_handler(user)]
async fn page(user: &mut User) -> Html<&'static str> {
    user.visits += 1;
    Html(include_str!("page.html"))
}

/// Who logs in gets a new session id, so that an id someone else may know is worth nothing.
#[http_handler(user)]
async fn login(
    user: &mut User,
    control: SessionControl,
    Form(login): Form<Login>,
) -> Result<Redirect, Error> {
    control.cycle_id()?;
    user.name = Some(login.name.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(Redirect::to("/"))
}

/// Who is here: the sockets, and the name of each one's user.
#[derive(Clone, Default)]
struct Here(Arc<Mutex<HashMap<Sid, Option<String>>>>);

impl Here {
    /// Tells everybody who is here now, each name once.
    async fn tell(&self, io: &SocketIo) {
        let names = {
            let here = self.0.lock().expect("nobody panics with it");
            let mut names: Vec<_> = here.values().flatten().cloned().collect();
            names.sort();
            names.dedup();
            names
        };
        // At a shutdown the namespace may be gone already.
        if let Some(everybody) = io.of("/") {
            everybody.emit("here", &[names]).await.ok();
        }
    }
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef, io: SocketIo, State(here): State<Here>) {
    here.0.lock().expect("nobody panics with it").insert(socket.id, user.name.clone());
    here.tell(&io).await;
}

/// Runs however the socket ends: the tab is closed, the session ends, its id changes.
async fn gone(socket: SocketRef, io: SocketIo, State(here): State<Here>) {
    here.0.lock().expect("nobody panics with it").remove(&socket.id);
    here.tell(&io).await;
}

/// An `Err` reaches the client as `{"error": ".."}`.
#[socket_handler(user)]
async fn say(user: &User, Data(text): Data<String>, io: SocketIo) -> Result<(), &'static str> {
    let from = user.name.as_deref().ok_or("Log in to talk.")?;
    io.emit("message", &Message { from, text: &text }).await.ok();
    Ok(())
}

/// Ends the session: its sockets, in every tab, are disconnected and come back as nobody.
#[socket_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

/// With `RUST_LOG=info`: a line a call, when it has ended, and one for each session that ends.
fn log() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    log();
    let (sockets, io) = SocketIo::builder().with_state(Here::default()).build_layer();
    io.ns("/", connected.on("say", say).on("logout", logout).on_disconnect(gone));

    let sessions = SessionLayer::new(MemoryBackend::default())
        .with_live::<User>()
        // Over plain http a Secure cookie travels to localhost alone, if at all.
        .with_secure(false);
    let app = Router::new()
        .route("/", get(page))
        .route("/login", post(login))
        .route(
            "/small-client.js",
            get(([(CONTENT_TYPE, "text/javascript")], include_str!("small-client.js"))),
        )
        .layer(sockets)
        .layer(sessions);

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
