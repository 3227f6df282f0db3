use socketioxide::extract::SocketRef;
use socketioxide_session::{connect_handler, http_handler, session_state};

#[session_state]
struct User {
    visits: u32,
}

#[connect_handler]
async fn connected() {}

async fn without_attribute(user: &mut User) {}

#[http_handler(user)]
async fn of_http(user: &mut User) {}

async fn answers(socket: SocketRef) -> u32 {
    1
}

fn main() {
    drop(connected.on("a", without_attribute));
    drop(connected.on("b", of_http));
    drop(connected.on("c", answers));
}
