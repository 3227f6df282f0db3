use socketioxide_session::{connect_handler, session_state, socket_handler};

#[session_state]
struct User {
    visits: u32,
}

#[connect_handler]
async fn connected() {}

#[socket_handler(user)]
async fn only_users(user: &User) -> Result<(), String> {
    Ok(())
}

fn main() {
    drop(connected.with(only_users));
}
