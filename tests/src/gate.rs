//! A door in a handler or a store: who comes is held until the test opens it, and the test knows when someone stands
//! before it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::soon;

#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }
}

impl Gate {
    /// Stands before the gate until it is opened.
    pub async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.expect("gates are never closed").forget();
    }

    /// Waits until one more has come.
    pub async fn reached(&self) {
        soon("someone at the gate", self.arrived.acquire()).await.expect("gates are never closed").forget();
    }

    /// Whether anybody has come who was not waited for.
    pub fn is_reached(&self) -> bool {
        self.arrived.available_permits() > 0
    }

    /// Lets one through.
    pub fn open(&self) {
        self.open.add_permits(1);
    }

    /// Lets everyone through, from now on.
    pub fn open_for_all(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}
