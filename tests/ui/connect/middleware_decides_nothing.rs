use socketioxide_session::{connect_middleware, session_state};

#[session_state]
struct User {
    visits: u64,
}

#[connect_middleware(session)]
async fn count(session: &mut User) {
    session.visits += 1;
}

#[connect_middleware(session)]
async fn few(session: &User) -> bool {
    session.visits < 9
}

#[connect_middleware(session)]
async fn counted(session: &User) -> Result<u64, String> {
    Ok(session.visits)
}

fn main() {}
