use socketioxide::{
    extract::{AckSender, Data},
    socket::DisconnectReason,
};
use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    visits: u32,
}

#[socket_handler(user)]
async fn gone(user: &mut User, reason: DisconnectReason, Data(text): Data<String>) {}

#[socket_handler(user)]
async fn left(user: &mut User, ack: AckSender, reason: DisconnectReason) {}

fn main() {}
