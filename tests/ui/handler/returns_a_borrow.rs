use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: String,
}

#[http_handler(session)]
async fn name(session: &User) -> &str {
    &session.name
}

#[socket_handler(session)]
async fn whoami(session: Option<&User>) -> Result<&String, &'static str> {
    session.map(|session| &session.name).ok_or("log in first")
}

fn main() {}
