use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
struct Login {
    name: String,
}

#[socket_handler(session)]
const LOGOUT: &str = "logout";

#[connect_handler]
impl Login {}

fn main() {}
