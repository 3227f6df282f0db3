//! Sockets whose events have their handlers. CONNECT goes out before a connect handler begins, so on several threads a
//! client that is quick can be heard before its events have handlers; clients wait for an event of the handler instead.

use socketioxide::extract::SocketRef;

use crate::{app::App, client::Socket};

/// The last line of a connect handler.
pub fn say_ready(socket: &SocketRef) {
    socket.emit("ready", &()).expect("a connected socket");
}

/// A socket whose connect handler has said so.
pub async fn ready_socket(app: &App, cookie: &str) -> Socket {
    let socket = Socket::connect(app, Some(cookie)).await;
    socket.event("ready").await;
    socket
}
