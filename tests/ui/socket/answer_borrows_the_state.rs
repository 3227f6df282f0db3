use serde::Serialize;
use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct Cart {
    items: Vec<u32>,
}

#[socket_handler(cart)]
async fn items(cart: &Cart) -> Result<impl Serialize, &'static str> {
    if cart.items.is_empty() { Err("empty") } else { Ok(cart.items.len()) }
}

fn main() {}
