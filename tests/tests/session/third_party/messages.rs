//! axum-messages 0.8 inside our layer: flash messages beside handlers and sockets.
//!
//! Clauses: 1, 7.

use axum::{Json, Router, routing::get};
use axum_messages::{Messages, MessagesManagerLayer};
use serde_json::{Value, json};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{MemoryBackend, connect_handler, http_handler, session_state, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
};

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn visit(user: &mut User, messages: Messages) -> Json<u32> {
    user.visits += 1;
    messages.info(format!("visit {}", user.visits));
    Json(user.visits)
}

async fn read(messages: Messages) -> Json<Vec<String>> {
    Json(messages.into_iter().map(|message| message.to_string()).collect())
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("visit", socket_visit);
}

#[tokio::test]
async fn flash_messages_are_shown_once_and_lose_nothing_of_others() {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let routes = Router::new().route("/visit", get(visit)).route("/read", get(read));
    let layers = routes.layer(sockets).layer(MessagesManagerLayer).layer(sessions(MemoryBackend::default()));
    let app = App::new(layers);
    let browser = Client::new(&app);
    assert_eq!(browser.get("/read").await.json(), json!([]));
    assert_eq!(browser.get("/visit").await.json(), 1);
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("visit", &[]).await, 2);
    assert_eq!(browser.get("/read").await.json(), json!(["visit 1"]));
    assert_eq!(browser.get("/read").await.json(), json!([]));
    assert_eq!(socket.ask("visit", &[]).await, 3);
    assert_eq!(browser.get("/visit").await.json(), 4);
    assert_eq!(browser.get("/read").await.json(), json!(["visit 4"]));
    assert_ne!(socket.ask("visit", &[]).await, Value::Null);
}
