#![deny(deprecated)]

use axum::{Router, routing::post};
use socketioxide::SocketIo;
use socketioxide_session::{connect_handler, http_handler, session_state};

#[session_state]
struct User {
    #[deprecated = "use `account`"]
    name: Option<String>,
}

#[deprecated = "use `/session`"]
#[http_handler(session)]
async fn login(session: &mut User) {
    session.name = None;
}

#[deprecated = "use `joined`"]
#[connect_handler]
async fn connected() {}

fn main() {
    let (_, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let _: Router = Router::new().route("/login", post(login));
}
