//! axum-messages 0.8 inside our layer: flash messages beside handlers and sockets.
//!
//! Clauses: 1, 7.

use axum::{Json, Router, routing::get};
use axum_messages::{Messages, MessagesManagerLayer};
use serde_json::{Value, json};
use socketioxide_session::{MemoryBackend, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    fixture::shop::{self, User},
    gate::Gate,
};

#[http_handler(user)]
async fn visit(user: &mut User, messages: Messages) -> Json<u64> {
    user.visits += 1;
    messages.info(format!("visit {}", user.visits));
    Json(user.visits)
}

async fn read(messages: Messages) -> Json<Vec<String>> {
    Json(messages.into_iter().map(|message| message.to_string()).collect())
}

#[tokio::test]
async fn flash_messages_are_shown_once_and_lose_nothing_of_others() {
    let routes = Router::new().route("/visit", get(visit)).route("/read", get(read));
    let application = with_sockets(routes, Gate::default(), |io| io.ns("/", shop::events()));
    let app = App::new(application.layer(MessagesManagerLayer).layer(sessions(MemoryBackend::default())));
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
