//! One number, counted by pages and by sockets alike.

use axum::{Router, routing::get};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};
use socketioxide_session::{
    MemoryBackend, SessionLayer, connect_handler, http_handler, session_state, socket_handler,
};

#[session_state]
struct Counter {
    count: u64,
}

#[http_handler(counter)]
async fn visit(counter: &mut Counter) -> String {
    counter.count += 1;
    format!("The count is {}.\n", counter.count)
}

/// What is returned is the client's acknowledgement.
#[socket_handler(counter)]
async fn add(counter: &mut Counter, Data(by): Data<u64>) -> u64 {
    counter.count += by;
    counter.count
}

#[connect_handler(counter)]
async fn connected(counter: &Counter, socket: SocketRef) {
    socket.emit("count", &counter.count).ok();
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected.on("add", add));

    // Over plain http a Secure cookie travels to localhost alone, if at all.
    let sessions = SessionLayer::new(MemoryBackend::default()).with_secure(false);
    let app = Router::new().route("/", get(visit)).layer(sockets).layer(sessions);

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
