//! The tie between a connection and its session: left on the handshake's request by the HTTP side, found there by
//! the sockets of the connection, in every namespace. It holds an id, never data.

use std::sync::Arc;

use crate::handle::Handle;

/// What a handshake leaves for its sockets.
#[derive(Clone)]
pub(crate) struct Binding(Arc<Connection>);

struct Connection {
    handle: Arc<Handle>,
    /// Held by the one answer that waits for room in the connection's full buffer, so that others wait in line.
    full_buffer: tokio::sync::Mutex<()>,
}

impl Binding {
    pub(crate) fn new(handle: Handle) -> Self {
        Self(Arc::new(Connection { handle: Arc::new(handle), full_buffer: tokio::sync::Mutex::default() }))
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.0.handle
    }

    pub(crate) fn full_buffer(&self) -> &tokio::sync::Mutex<()> {
        &self.0.full_buffer
    }
}
