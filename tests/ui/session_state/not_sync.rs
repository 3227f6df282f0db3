use std::cell::Cell;

use socketioxide_session::session_state;

#[session_state]
struct Visits {
    count: Cell<u64>,
}

fn main() {}
