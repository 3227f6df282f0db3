//! An application as those in axum-messages' documentation: a request leaves messages and redirects, the next one shows them.
//!
//! Clauses: 1, 7.

use ::axum_messages::{Level, Messages, MessagesManagerLayer};
use axum::{
    Json, Router,
    response::Redirect,
    routing::{get, post},
};
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide_session::{
    EventRouter, MemoryBackend, SessionLayer, session_state, socket_handler, testing::TestApp,
};

#[session_state]
struct Order {
    items: u32,
}

#[socket_handler(order)]
async fn put(order: &mut Order) -> u32 {
    order.items += 1;
    order.items
}

async fn send(messages: Messages) -> Redirect {
    messages.success("Your order is on its way.").warning("It may rain.");
    Redirect::to("/")
}

async fn page(messages: Messages) -> Json<Vec<(bool, String)>> {
    let all = messages.into_iter().map(|message| (message.level == Level::Warning, message.to_string()));
    Json(all.collect())
}

#[tokio::test]
async fn what_is_left_by_one_request_is_shown_by_the_next_and_once() {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", EventRouter::new().on("put", put));
    let app = Router::new()
        .route("/", get(page))
        .route("/send", post(send))
        .layer(MessagesManagerLayer)
        .layer(sockets)
        .layer(SessionLayer::new(MemoryBackend::default()));
    let app = TestApp::new(app);
    let visitor = app.client();
    assert_eq!(visitor.get("/").await.json::<Value>(), json!([]));
    assert_eq!(visitor.cookies(), None, "who is shown nothing gets no session");

    assert_eq!(visitor.post_form("/send", &()).await.headers()["location"], "/");
    // An event in between has a state of its own, and keeps the messages.
    let socket = visitor.connect("/").await.expect("a connection");
    assert_eq!(socket.emit_with_ack("put", &()).await, 1);
    let shown = json!([[false, "Your order is on its way."], [true, "It may rain."]]);
    assert_eq!(visitor.get("/").await.json::<Value>(), shown);
    assert_eq!(visitor.get("/").await.json::<Value>(), json!([]));
    assert_eq!(socket.emit_with_ack("put", &()).await, 2);
    assert_eq!(app.client().get("/").await.json::<Value>(), json!([]), "of nobody else");
}
