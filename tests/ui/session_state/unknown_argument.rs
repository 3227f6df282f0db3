use socketioxide_session::session_state;

#[session_state(name = "user")]
struct User {
    name: Option<String>,
}

#[session_state("cart")]
struct Cart {
    items: Vec<u32>,
}

fn main() {}
