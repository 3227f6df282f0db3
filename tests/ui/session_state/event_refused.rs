use socketioxide_session::{MemoryBackend, SessionLayer, session_state};

#[session_state(emit = "disconnect")]
struct User {
    name: Option<String>,
}

#[session_state(emit)]
struct Cart {
    items: u32,
}

fn main() {
    let _ = SessionLayer::new(MemoryBackend::default()).with_live::<User>();
}
