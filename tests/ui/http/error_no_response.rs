use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    visits: u64,
}

struct TooMany;

#[http_handler(session)]
async fn visit(session: &mut User) -> Result<String, TooMany> {
    session.visits += 1;
    if session.visits > 9 { Err(TooMany) } else { Ok(session.visits.to_string()) }
}

fn main() {}
