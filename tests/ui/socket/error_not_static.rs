use serde::Serialize;
use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct Cart {
    items: Vec<u32>,
}

#[derive(Serialize)]
struct Missing<'a> {
    items: &'a [u32],
}

#[socket_handler(cart)]
async fn checkout(cart: &Cart) -> Result<(), Missing<'_>> {
    Err(Missing { items: &cart.items })
}

fn main() {}
