use socketioxide_session::session_state;

#[session_state]
struct Settings {
    #[session(default = 10, default = 12)]
    size: u8,
    #[session(default = 80)]
    #[session(default = 100)]
    columns: u8,
}

fn main() {}
