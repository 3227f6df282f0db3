use axum::response::Html;
use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(user)]
async fn page(user: &User) -> Html<&str> {
    Html(user.name.as_deref().unwrap_or_default())
}

fn main() {}
