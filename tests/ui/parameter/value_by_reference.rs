use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    visits: u32,
}

#[socket_handler(user)]
async fn add(user: &mut User, number: &u32) {}

#[http_handler(user)]
async fn upload(user: &mut User, body: &[u8]) {}

fn main() {}
