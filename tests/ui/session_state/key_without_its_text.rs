use socketioxide_session::session_state;

const KEY: &str = "user";

#[session_state(key)]
struct User {
    name: Option<String>,
}

#[session_state(key = KEY)]
struct Account {
    name: Option<String>,
}

#[session_state(key("cart"))]
struct Cart {
    items: Vec<u32>,
}

fn main() {}
