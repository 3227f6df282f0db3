use axum::Form;
use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: String,
}

#[session_state]
struct Cart {
    items: Vec<u32>,
}

#[http_handler(session, session, basket, "cart")]
fn checkout(session: User, cart: &mut Cart, Form(item): Form<u32>) -> &str {
    cart.items.push(item);
    &session.name
}

fn main() {}
