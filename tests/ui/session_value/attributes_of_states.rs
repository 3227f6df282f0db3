use socketioxide_session::session_value;

#[session_value]
#[session_value]
enum Theme {
    Light,
    Dark {
        #[session(default = 5)]
        contrast: u8,
    },
}

fn main() {}
