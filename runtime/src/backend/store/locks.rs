//! A lock a session, so that a record is read, changed and saved by one commit at a time.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::session::id::{BySession, SessionId};

#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<BySession<Weak<tokio::sync::Mutex<()>>>>);

impl Locks {
    pub(super) fn of(&self, id: SessionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        // A good moment to forget locks that nobody holds: as often as the map would grow.
        if locks.len() == locks.capacity() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(id, Arc::downgrade(&lock));
        lock
    }
}
