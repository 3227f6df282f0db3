use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct Cart {
    items: Vec<u32>,
}

struct Empty;

type Checkout = Result<usize, Empty>;

#[socket_handler(cart)]
async fn checkout(cart: &mut Cart) -> Checkout {
    if cart.items.is_empty() { Err(Empty) } else { Ok(cart.items.drain(..).count()) }
}

fn main() {}
