#![deny(unused, unreachable_code)]

use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    visits: u64,
}

#[must_use]
fn checked(visits: u64) -> bool {
    visits < 9
}

#[http_handler(session)]
async fn visit(session: &mut User) -> Result<(), String> {
    let mut visits = session.visits + 1;
    checked(visits);
    Ok(())
}

#[socket_handler(session)]
async fn leave(session: &User) -> u64 {
    return session.visits;
    0
}

#[connect_handler(session)]
async fn connected(session: &User) {
    (session.visits == 0);
}

fn main() {}
