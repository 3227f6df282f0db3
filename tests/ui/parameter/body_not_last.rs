use axum::{Form, Json, http::HeaderMap};
use socketioxide_session::{SessionControl, http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(user)]
async fn two_bodies(user: &User, a: Json<u8>, b: Form<u8>) {}

#[http_handler(user)]
async fn before_the_headers(body: String, headers: HeaderMap, user: &User) {}

#[http_handler(user)]
async fn before_ours(user: &mut User, Json(number): Json<u8>, control: SessionControl) {}

#[http_handler(user)]
async fn before_the_state(body: String, user: &mut User) {}

fn main() {}
