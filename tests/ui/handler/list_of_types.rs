use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[session_state]
struct Cart {
    items: Vec<u32>,
}

#[http_handler(user: &mut User, "cart", , &seen)]
async fn checkout(user: &mut User, cart: &Cart) {
    user.name = cart.items.first().map(u32::to_string);
}

fn main() {}
