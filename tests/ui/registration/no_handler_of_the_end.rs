use socketioxide::extract::Data;
use socketioxide_session::{connect_handler, session_state, socket_handler};

#[session_state]
struct User {
    visits: u32,
}

#[connect_handler]
async fn connected() {}

#[socket_handler(user)]
async fn say(user: &User, Data(text): Data<String>) {}

fn main() {
    drop(connected.on_disconnect(say));
}
