use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct Cart {
    items: Vec<u32>,
}

struct Receipt {
    items: usize,
}

#[socket_handler(cart)]
async fn checkout(cart: &mut Cart) -> Receipt {
    Receipt { items: cart.items.drain(..).count() }
}

fn main() {}
