//! Turns and commits under load: what the contract promises in 3 to 8 holds whatever the handlers do, however many
//! they are, and wherever they are broken off.

mod acknowledgements;
mod cancellation;
mod deadlock;
mod flood;
mod independence;
mod interleavings;
mod lost_updates;
mod order;
mod outcomes;
mod shared;
mod third_party;

use socketioxide::extract::SocketRef;
use socketioxide_session_tests::{app::App, raw::RawSocket};

/// The last line of every connect handler here. CONNECT goes out before the handler begins, so on several threads a
/// client that is quick can be heard before its events have handlers; the clients wait for this instead.
fn say_ready(socket: &SocketRef) {
    socket.emit("ready", &()).expect("a connected socket");
}

/// A socket whose events have their handlers.
async fn ready_socket(app: &App, cookie: &str) -> RawSocket {
    let mut socket = RawSocket::connect(app, Some(cookie)).await;
    socket.event("ready").await;
    socket
}
