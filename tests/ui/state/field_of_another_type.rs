use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(session)]
async fn login(session: &mut User) {
    session.name = "Ann";
}

fn main() {}
