use socketioxide_session::{MemoryBackend, SessionLayer, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

fn main() {
    let _ = SessionLayer::new(MemoryBackend::default()).with_live::<User>();
}
