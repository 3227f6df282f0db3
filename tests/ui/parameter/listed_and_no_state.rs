use std::sync::Arc;

use axum::{Json, extract::State};
use socketioxide::extract::Data;
use socketioxide_session::{Error, Session, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[session_state]
struct Cart {
    items: Vec<String>,
}

#[http_handler(user)]
async fn shared(user: Arc<User>) {}

#[http_handler(both)]
async fn both(both: &mut (User, Cart)) {}

#[http_handler(user)]
async fn fallible(user: Result<User, Error>) {}

#[http_handler(user)]
async fn stored(user: &Option<User>) {}

#[http_handler(user)]
async fn changed(user: &mut Option<User>) {}

#[http_handler(body, app, session)]
async fn extractors(app: State<u8>, session: Session, body: Json<u8>) {}

#[socket_handler(user, text)]
async fn say(user: &User, text: Data<String>) {}

fn main() {}
