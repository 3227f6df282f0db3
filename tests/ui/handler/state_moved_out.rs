use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: String,
}

#[http_handler(session)]
async fn name(session: &User) -> String {
    session.name
}

fn main() {}
