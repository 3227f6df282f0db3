use socketioxide_session::{session_state, session_value};

#[session_state]
#[session_state(key = "twice")]
struct Twice {
    count: u32,
}

#[session_state]
#[session_value]
struct Both {
    count: u32,
}

#[session_state]
#[session(default = 1)]
struct Above {
    #[default]
    count: u32,
}

fn main() {}
