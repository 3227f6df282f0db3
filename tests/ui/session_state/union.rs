use socketioxide_session::session_state;

#[session_state]
union Number {
    small: u8,
    large: u64,
}

fn main() {}
