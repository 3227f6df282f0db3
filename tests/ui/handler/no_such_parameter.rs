use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(sesion)]
async fn login(session: &mut User) {
    session.name = None;
}

#[http_handler(user)]
async fn health() {}

fn main() {}
