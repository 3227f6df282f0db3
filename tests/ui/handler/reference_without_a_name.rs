use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler]
async fn hello(User { name }: &User) -> String {
    name.clone().unwrap_or_default()
}

fn main() {}
