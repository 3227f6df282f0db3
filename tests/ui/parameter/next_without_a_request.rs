use axum::{extract::Request, http::HeaderMap, middleware::Next, response::Response};
use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    visits: u32,
}

#[http_handler(user)]
async fn only_next(user: &User, next: Next) -> Response {
    Response::default()
}

#[http_handler(user)]
async fn next_first(user: &User, next: Next, request: Request) -> Response {
    next.run(request).await
}

#[http_handler(user)]
async fn behind_headers(user: &User, headers: HeaderMap, next: Next) -> Response {
    Response::default()
}

fn main() {}
