use std::net::IpAddr;

use socketioxide_session::session_state;

#[session_state]
struct Seen {
    count: u64,
    last: IpAddr,
}

fn main() {}
