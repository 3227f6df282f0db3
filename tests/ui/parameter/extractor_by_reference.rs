use axum::http::HeaderMap;
use socketioxide::extract::SocketRef;
use socketioxide_session::{Session, SessionControl, Shared, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(user)]
async fn logout(user: &mut User, control: &SessionControl) {
    user.name = None;
}

#[http_handler(user)]
async fn agent(headers: &HeaderMap, session: &Session, user: &User) {}

#[socket_handler(user, shared)]
async fn leave(user: &User, socket: &SocketRef, shared: &mut Shared<User>) {}

fn main() {}
