use axum::{Json, extract::State, http::HeaderMap};
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide_session::{Session, connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(user)]
async fn json(user: &User, Json(number): Json<u32>) {}

#[socket_handler(user)]
async fn state(user: &User, State(number): State<u32>) {}

#[socket_handler(user)]
async fn session(user: &User, session: Session, headers: HeaderMap) {}

#[http_handler(user)]
async fn data(user: &User, socket: SocketRef, Data(number): Data<u32>) {}

#[connect_handler(user)]
async fn connected(user: &User, ack: AckSender) {}

fn main() {}
