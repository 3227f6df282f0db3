use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
    visits: Vec<u64>,
}

#[http_handler(session)]
async fn login(session: &User) {
    session.name = Some(String::from("Ann"));
}

#[socket_handler(session)]
async fn visit(session: Option<&User>) {
    if let Some(session) = session {
        session.visits.push(1);
    }
}

fn main() {}
