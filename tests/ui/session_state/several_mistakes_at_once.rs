use socketioxide_session::session_state;

#[session_state(name = "seen", key = "")]
struct Seen<T>(
    #[session(default)] Option<T>,
    #[session(skip)] u8,
);

fn main() {}
