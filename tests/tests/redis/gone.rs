//! A disconnect handler whose session has ended on another node: it sees what its own connection saw last.
//!
//! Clauses: 11, 14.

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide::extract::State;
use socketioxide_session::{Error, EventRouter, Expiry, SessionControl, http_handler, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Socket},
    fixture::shop::{self, Counter},
    redis_server::RedisServer,
    soon,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::node;

#[http_handler]
async fn expire(control: SessionControl) -> Result<(), Error> {
    control.set_expiry(Expiry::OnInactivity(time::Duration::SECOND))
}

#[socket_handler(counter)]
async fn gone(counter: &Counter, State(tell): State<UnboundedSender<u64>>) {
    tell.send(counter.count).ok();
}

async fn serve(server: &RedisServer) -> (App, UnboundedReceiver<u64>) {
    let (tell, told) = unbounded_channel();
    let routes = Router::new()
        .route("/add", get(shop::http::slow_add))
        .route("/login", get(shop::http::cycle))
        .route("/expire", get(expire))
        .route("/logout", get(shop::http::flush));
    let application = with_sockets(routes, tell, |io| {
        io.ns("/", EventRouter::new().on("add", shop::sockets::slow_add).on_disconnect(gone));
    });
    (App::new(application.layer(sessions(node(server).await))), told)
}

#[tokio::test]
async fn it_sees_what_its_own_node_has_seen() {
    let server = RedisServer::start().await;
    let ((here, _), (there, mut told)) = (serve(&server).await, serve(&server).await);
    for path in ["/logout", "/login", "/expire"] {
        let cookie = client::get(&here, "/add", None).await.new_cookie();
        let mut socket = Socket::connect(&there, Some(&cookie)).await;
        // In one line, so that the node lets one go on before the last is saved.
        assert_eq!(socket.ask_all(&[("add", json!(null)), ("add", json!(null))]).await, [json!(2), json!(3)]);
        client::get(&here, "/add", Some(&cookie)).await.ok();
        client::get(&here, path, Some(&cookie)).await.ok();
        assert_eq!(soon("a disconnect handler", told.recv()).await, Some(3), "{path}");
    }
}
