use axum::http::HeaderMap;
use socketioxide::extract::SocketRef;
use socketioxide_session::{http_handler, socket_handler};

#[http_handler]
async fn headers(e0: HeaderMap, e1: HeaderMap, e2: HeaderMap, e3: HeaderMap, e4: HeaderMap, e5: HeaderMap, e6: HeaderMap, e7: HeaderMap, e8: HeaderMap, e9: HeaderMap, e10: HeaderMap, e11: HeaderMap, e12: HeaderMap, e13: HeaderMap, e14: HeaderMap, e15: HeaderMap) {}

#[socket_handler]
async fn sockets(e0: SocketRef, e1: SocketRef, e2: SocketRef, e3: SocketRef, e4: SocketRef, e5: SocketRef, e6: SocketRef, e7: SocketRef, e8: SocketRef, e9: SocketRef, e10: SocketRef, e11: SocketRef, e12: SocketRef, e13: SocketRef, e14: SocketRef, e15: SocketRef, e16: SocketRef) {}

fn main() {}
