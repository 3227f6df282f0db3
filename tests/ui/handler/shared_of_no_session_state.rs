use socketioxide_session::{Shared, http_handler};

struct User {
    name: Option<String>,
}

#[http_handler]
async fn login(user: Shared<User>) {
    user.update(|user| user.name = None).await.ok();
}

fn main() {}
