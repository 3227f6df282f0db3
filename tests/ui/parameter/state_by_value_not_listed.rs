use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler]
async fn hello(user: User) {}

#[socket_handler]
async fn hi(user: User) {}

fn main() {}
