use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    visits: u64,
}

#[socket_handler(session)]
async fn count(session: &mut User) -> ! {
    loop {
        session.visits += 1;
    }
}

fn main() {}
