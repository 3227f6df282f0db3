use std::rc::Rc;

use socketioxide_session::session_state;

#[session_state]
struct Borrowing {
    name: &'static str,
}

#[session_state]
struct Living<'a> {
    name: &'a str,
}

#[session_state]
struct Counted {
    name: Option<Rc<String>>,
}

fn main() {}
