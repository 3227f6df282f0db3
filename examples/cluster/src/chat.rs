//! The chat: nothing in it knows how many nodes there are. Its socket handlers name no adapter, or any.

use axum::{
    Form, Router,
    response::{Html, Redirect},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use socketioxide::{SocketIo, adapter::Adapter, extract::Data};
use socketioxide_session::{Error, EventRouter, SessionControl, http_handler, session_state, socket_handler};

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

pub(crate) fn pages() -> Router {
    Router::new().route("/", get(page)).route("/login", post(login))
}

/// What is returned is the client's acknowledgement.
#[socket_handler(user)]
async fn whoami(user: &User) -> User {
    user.clone()
}

/// An `Err` reaches the client as `{"error": ".."}`.
#[socket_handler(user)]
async fn say<A: Adapter>(user: &User, Data(text): Data<String>, io: SocketIo<A>) -> Result<(), &'static str> {
    let from = user.name.as_deref().ok_or("Log in to talk.")?;
    io.emit("message", &Message { from, text: &text }).await.ok();
    Ok(())
}

/// Ends the session: its sockets, in every tab and on every node, are disconnected and come back as nobody.
#[socket_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

/// The chat's events.
pub(crate) fn events<A: Adapter>() -> EventRouter<A> {
    EventRouter::new().on("whoami", whoami).on("say", say::<A>).on("logout", logout)
}
