use axum::{Form, debug_handler, http::Uri};
use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
#[debug_handler]
async fn login(Form(name): Form<String>, session: &mut User, _: Uri) {
    session.name = Some(name);
}

fn main() {}
