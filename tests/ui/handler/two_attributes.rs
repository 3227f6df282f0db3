use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
#[socket_handler(session)]
async fn logout(session: &mut User) {
    session.name = None;
}

fn main() {}
