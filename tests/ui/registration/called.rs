use socketioxide_session::{connect_handler, connect_middleware, session_state};

#[session_state]
struct User {
    visits: u32,
}

#[connect_handler]
async fn connected() {}

#[connect_middleware(user)]
async fn only_users(user: &User) -> Result<(), String> {
    Ok(())
}

fn main() {
    drop(connected.with(only_users()));
}
