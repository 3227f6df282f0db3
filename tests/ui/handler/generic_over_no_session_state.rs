use axum::{Router, routing::post};
use socketioxide_session::{SessionState, http_handler, session_state};

struct Cart {
    items: Vec<u32>,
}

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn clear<T: SessionState>(session: &mut T) {
    *session = T::default();
}

fn main() {
    let _: Router = Router::new().route("/user", post(clear::<User>)).route("/cart", post(clear::<Cart>));
}
