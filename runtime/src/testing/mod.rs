//! An application driven in process, without a port: over HTTP and over Socket.IO, through its real layers and the
//! real protocol. Behind the feature `testing`, which belongs to the `dev-dependencies`.
//!
//! A [`TestApp`] is the router of the application. Its [`TestClient`]s are browsers: each with a cookie jar, which
//! requests and handshakes share. A [`TestSocket`] is a client's socket in one namespace, over WebSocket or polling.
//!
//! ```
//! use axum::{Router, routing::get};
//! use socketioxide::{SocketIo, extract::SocketRef};
//! use socketioxide_session::{MemoryBackend, SessionLayer, testing::TestApp};
//! use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};
//!
//! #[session_state]
//! struct User {
//!     name: Option<String>,
//!     visits: u32,
//! }
//!
//! #[http_handler(user)]
//! async fn visit(user: &mut User) -> String {
//!     user.visits += 1;
//!     user.visits.to_string()
//! }
//!
//! #[socket_handler(user)]
//! async fn visits(user: &User) -> u32 {
//!     user.visits
//! }
//!
//! #[connect_handler(user)]
//! async fn connected(user: &User, socket: SocketRef) {
//!     socket.emit("welcome", &user.name).ok();
//! }
//!
//! fn app() -> Router {
//!     let (sockets, io) = SocketIo::new_layer();
//!     io.ns("/", connected.on("visits", visits));
//!     let sessions = SessionLayer::new(MemoryBackend::default());
//!     Router::new().route("/visit", get(visit)).layer(sockets).layer(sessions)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = TestApp::new(app());
//! let ada = app.seed(|user: &mut User| user.name = Some("Ada".to_owned())).await;
//! let socket = ada.connect("/").await.expect("a connection");
//! assert_eq!(socket.next_event().await.data::<String>(), "Ada");
//!
//! assert_eq!(ada.get("/visit").await.text(), "1");
//! assert_eq!(socket.emit_with_ack("visits", &()).await, 1);
//!
//! let stranger = app.client();
//! assert_eq!(stranger.get("/visit").await.text(), "1");
//! # }
//! ```
//!
//! # Clocks
//!
//! No thread and no real connection takes part. So a test may pause tokio's clock
//! (`#[tokio::test(start_paused = true)]`, with tokio's feature `test-util`), and hours of a session's life pass at once. A connected socket answers
//! heartbeats by itself meanwhile.
//!
//! Nothing waits for ever: what does not come within [`with_patience`](TestApp::with_patience) is a panic that says
//! what was waited for, and where. That time is the machine's, however far a paused clock has gone.
//!
//! # When a socket is ready
//!
//! Handlers that are given with `connected.on(..)` are in place before CONNECT. For those of `socket.on`: on a runtime with
//! several threads, socketioxide answers CONNECT a moment before it starts the connect handler, and an event that comes in
//! between finds no handler. A test runs on one thread (tokio's default), or waits for an event that the handler emits after
//! its `socket.on` lines, as above.
//!
//! # Not here
//!
//! Binary attachments, parsers other than JSON, and the upgrade from polling to WebSocket: those are matters of
//! socketioxide, not of sessions.

mod app;
mod arguments;
mod client;
mod connection;
mod inbox;
mod packet;
mod patience;
mod request;
mod response;
mod socket;
mod transport;

pub use self::{
    app::TestApp,
    client::TestClient,
    connection::{Connect, ConnectError, TestConnection, Transport},
    packet::Packet,
    request::TestRequest,
    response::TestResponse,
    socket::{AckId, TestEvent, TestSocket},
};
