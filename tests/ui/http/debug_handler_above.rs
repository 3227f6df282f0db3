use axum::debug_handler;
use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[debug_handler]
#[http_handler(session)]
async fn login(session: &mut User) {
    session.name = None;
}

fn main() {}
