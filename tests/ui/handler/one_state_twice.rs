use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(old, new)]
async fn rename(old: &User, new: &mut User) {
    new.name.clone_from(&old.name);
}

fn main() {}
