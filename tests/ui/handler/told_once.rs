//! What only types tell is told where it stands, and not again where the handler is registered.

use std::{rc::Rc, sync::Arc};

use axum::{Json, Router, routing::post};
use socketioxide::{SocketIo, extract::Data};
use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    visits: u32,
}

struct Plain {
    visits: u32,
}

#[http_handler(user, plain)]
async fn no_state(user: &User, plain: &mut Plain) {
    plain.visits += user.visits;
}

#[http_handler(user)]
async fn of_sockets(user: &User, Data(text): Data<String>) {}

#[http_handler(user)]
async fn shared(user: &User, app: Arc<Plain>) {}

#[http_handler(user)]
async fn not_sent(user: &mut User) {
    let by = Rc::new(1);
    std::future::ready(()).await;
    user.visits += *by;
}

#[connect_handler(user, plain)]
async fn connected(user: &User, plain: &Plain, Json(text): Json<String>) {}

#[socket_handler(user)]
async fn say(user: &User, Json(text): Json<String>) {}

#[socket_handler(user)]
async fn count(user: &User, number: u32) {}

fn main() {
    let routes = Router::<()>::new().route("/a", post(no_state)).route("/b", post(of_sockets));
    drop(routes.route("/c", post(shared)).route("/d", post(not_sent)));
    let (_, io) = SocketIo::new_layer();
    io.ns("/", connected.on("say", say).on("count", count));
}
