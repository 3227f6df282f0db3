use socketioxide_session::{Error, Shared, session_state, socket_handler};

#[session_state]
struct Cart {
    items: Vec<String>,
    count: u32,
}

#[socket_handler]
async fn put(cart: Shared<Cart>) -> Result<(), Error> {
    cart.read().await?.count += 1;
    let mut read = cart.read().await?;
    read.items.push(String::from("tea"));
    Ok(())
}

fn main() {}
