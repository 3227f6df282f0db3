use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    visits: u64,
}

struct Visits(u64);

#[http_handler(session)]
async fn visits(session: &User) -> Visits {
    Visits(session.visits)
}

fn main() {}
