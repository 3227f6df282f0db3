use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn hello(session: User) -> String {
    session.name.unwrap_or_default()
}

#[socket_handler(session)]
async fn logout(mut session: Option<User>) {
    if let Some(session) = &mut session {
        session.name = None;
    }
}

fn main() {}
