use socketioxide_session::{connect_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

struct NotLoggedIn;

#[connect_handler(session)]
async fn connected(session: &User) -> Result<(), NotLoggedIn> {
    session.name.as_ref().map(|_| ()).ok_or(NotLoggedIn)
}

fn main() {}
