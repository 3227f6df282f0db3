use socketioxide_session::{Error, Shared, http_handler, session_state};

#[session_state]
struct User {
    visits: u32,
}

#[http_handler]
async fn count(user: Shared<User>) -> Result<(), Error> {
    user.update(async |user| user.visits += 1).await
}

fn main() {}
