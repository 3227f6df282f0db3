use socketioxide_session::{connect_middleware, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

struct NotLoggedIn;

#[connect_middleware(session)]
async fn only_users(session: &User) -> Result<(), NotLoggedIn> {
    session.name.as_ref().map(|_| ()).ok_or(NotLoggedIn)
}

fn main() {}
