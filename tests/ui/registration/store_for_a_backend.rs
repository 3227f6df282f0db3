use std::sync::Arc;

use socketioxide_session::{MemoryBackend, SessionLayer};

#[derive(Debug, Clone)]
struct Store;

fn main() {
    drop(SessionLayer::new(Store));
    drop(SessionLayer::new(Arc::new(MemoryBackend::default())));
}
