use socketioxide_session::{connect_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[connect_handler(session)]
fn connected(session: &mut User) {
    session.name = None;
}

fn main() {}
