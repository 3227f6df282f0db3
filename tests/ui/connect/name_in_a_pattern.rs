use socketioxide_session::connect_handler;

#[connect_handler]
async fn connected() {}

fn main() {
    let connected = true;
    drop(connected);
}
