use std::rc::Rc;

use axum::debug_handler;
use socketioxide_session::{Shared, http_handler, session_state};

#[session_state]
struct User {
    visits: u64,
}

#[session_state]
struct Seen {
    count: u64,
}

#[http_handler(session)]
#[debug_handler]
async fn visit(session: &mut User, seen: Shared<Seen>) {
    let by = Rc::new(1);
    seen.update(|seen| seen.count += 1).await.ok();
    session.visits += *by;
}

fn main() {}
