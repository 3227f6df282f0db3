use socketioxide_session::{SessionState, http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn any(session: &impl SessionState) {
    drop(session);
}

#[http_handler(session)]
async fn twice_borrowed(session: &&User) -> Option<String> {
    session.name.clone()
}

#[http_handler(user)]
async fn tuple(user: &(User, User)) -> Option<String> {
    user.0.name.clone()
}

fn main() {}
