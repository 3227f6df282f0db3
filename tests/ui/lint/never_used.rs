#![deny(dead_code)]

use socketioxide_session::{connect_handler, connect_middleware, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn login(session: &mut User) {
    session.name = None;
}

#[socket_handler(session)]
async fn logout(session: &mut User) {
    session.name = None;
}

#[connect_handler(session)]
async fn connected(session: &mut User) {
    session.name = None;
}

#[connect_middleware(session)]
async fn anyone(session: &mut User) -> Result<(), String> {
    session.name = None;
    Ok(())
}

fn main() {}
