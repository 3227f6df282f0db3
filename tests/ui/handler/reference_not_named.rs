use axum::Form;
use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[session_state]
struct Cart {
    items: Vec<u32>,
}

#[http_handler(user)]
async fn add(user: &User, cart: &mut Cart, Form(item): Form<u32>) {
    let _ = &user.name;
    cart.items.push(item);
}

#[socket_handler]
async fn total(cart: Option<&Cart>) -> usize {
    cart.map_or(0, |cart| cart.items.len())
}

fn main() {}
