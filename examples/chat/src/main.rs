//! A small chat: log in with a form, talk over sockets, log out over a socket, in as many tabs as you like.

use axum::{
    Form, Router,
    response::{Html, Redirect},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use socketioxide::{SocketIo, extract::Data};
use socketioxide_session::{
    Error, EventRouter, MemoryBackend, SessionControl, SessionLayer, http_handler, session_state,
    socket_handler,
};

#[session_state]
#[derive(Clone)]
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

/// What is returned is the client's acknowledgement.
#[socket_handler(user)]
async fn whoami(user: &User) -> User {
    user.clone()
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

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", EventRouter::new().on("whoami", whoami).on("say", say).on("logout", logout));

    let app = Router::new()
        .route("/", get(page))
        .route("/login", post(login))
        .layer(sockets)
        // Over plain http a Secure cookie travels to localhost alone, if at all.
        .layer(SessionLayer::new(MemoryBackend::default()).with_secure(false));

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
