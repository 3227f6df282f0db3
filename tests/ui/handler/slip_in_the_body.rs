use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
    visits: u64,
}

#[http_handler(session)]
async fn login(session: &mut User) -> String {
    session.visits = "one";
    session.visits += 1
}

#[socket_handler(session)]
async fn logout(session: &mut User) -> bool {
    session.nam.take().is_some()
}

#[connect_handler(session)]
async fn connected(session: &User) {
    greet(&session.name);
}

fn main() {}
