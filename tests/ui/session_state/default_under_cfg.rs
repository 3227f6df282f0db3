use socketioxide_session::session_state;

#[session_state]
struct Settings {
    #[cfg_attr(unix, session(default = 12))]
    size: u8,
}

fn main() {}
