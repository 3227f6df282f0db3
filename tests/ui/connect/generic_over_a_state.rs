use socketioxide_session::{SessionState, connect_handler};

#[connect_handler(user)]
async fn connected<T: SessionState>(user: &T) {}

fn main() {}
