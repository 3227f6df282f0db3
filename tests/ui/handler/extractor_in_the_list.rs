use socketioxide_session::{Error, SessionControl, Shared, http_handler, session_state, socket_handler};

#[session_state]
struct Cart {
    items: Vec<String>,
}

#[http_handler(cart)]
async fn show(cart: Shared<Cart>) -> Result<String, Error> {
    Ok(cart.read().await?.items.join(", "))
}

#[socket_handler(cart, control)]
async fn leave(cart: &mut Cart, control: SessionControl) -> Result<(), Error> {
    cart.items.clear();
    control.flush()
}

fn main() {}
