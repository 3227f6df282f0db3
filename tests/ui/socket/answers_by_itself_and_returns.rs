use socketioxide::extract::AckSender;
use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(user)]
async fn number(user: &User, ack: AckSender) -> u32 {
    1
}

#[socket_handler(user)]
async fn text(user: &User, ack: AckSender) -> Result<String, String> {
    Ok(String::new())
}

#[socket_handler(user)]
async fn nothing(user: &User, ack: AckSender) -> Result<(), String> {
    Ok(())
}

fn main() {}
