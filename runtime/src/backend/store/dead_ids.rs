//! Ids that have ended although their record may still be there, or be written again by a save that comes late: here they
//! are dead, and their records are deleted as soon as the store lets that happen.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tower_sessions::SessionStore;

use super::Records;
use crate::{
    background::Background,
    clock,
    log_limit::LogLimit,
    session::id::{BySession, SessionId},
};

/// How long after a deletion that failed the next one is tried.
const PAUSE: Duration = Duration::from_secs(5);

/// How long a deletion may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// With the moment at which each record expires by itself.
#[derive(Default)]
pub(super) struct DeadIds {
    ids: Mutex<BySession<OffsetDateTime>>,
    deletion: Background,
    log: LogLimit,
}

impl DeadIds {
    pub(super) fn has(&self, id: SessionId) -> bool {
        self.ids.lock().contains_key(&id)
    }
}

/// An id whose record is being deleted. It is dead from the beginning, also where the deletion fails or is given up.
pub(super) struct Dying<S: SessionStore> {
    records: Arc<Records<S>>,
    id: SessionId,
    is_gone: bool,
}

impl<S: SessionStore> Dying<S> {
    /// The record is deleted.
    pub(super) fn is_gone(&mut self) {
        self.is_gone = true;
    }
}

impl<S: SessionStore> Drop for Dying<S> {
    fn drop(&mut self) {
        if self.is_gone {
            self.records.dead_ids.ids.lock().remove(&self.id);
        } else {
            self.records.delete_from_now_on();
        }
    }
}

impl<S: SessionStore> Records<S> {
    /// From now on nobody finds this record, which is about to be deleted.
    pub(super) fn dies(self: &Arc<Self>, id: SessionId, expires: OffsetDateTime) -> Dying<S> {
        self.dead_ids.ids.lock().insert(id, expires);
        Dying { records: Arc::clone(self), id, is_gone: false }
    }

    /// From now on nobody finds this record, however long the store shows it.
    pub(super) fn declare_dead(self: &Arc<Self>, id: SessionId, expires: OffsetDateTime) {
        drop(self.dies(id, expires));
    }

    fn delete_from_now_on(self: &Arc<Self>) {
        let records = Arc::downgrade(self);
        self.dead_ids.deletion.start(move || delete_until_none_is_left(Weak::clone(&records)), || {});
    }

    /// Whether none is left.
    async fn delete_the_dead(&self) -> bool {
        let now = clock::now();
        let ids: Vec<_> = {
            let mut ids = self.dead_ids.ids.lock();
            // What may still be written can expire later than that.
            ids.retain(|id, expires| *expires > now || self.registry.unsettled().has(*id));
            ids.keys().copied().collect()
        };
        for id in ids {
            // What may still be written, or is being written, would be there again.
            let lock = self.locks.of(id);
            let Some(_guard) = lock.try_lock().ok().filter(|_| !self.registry.unsettled().has(id)) else {
                continue;
            };
            match timeout(PATIENCE, self.store.delete(&id.expose())).await {
                Ok(Ok(())) => drop(self.dead_ids.ids.lock().remove(&id)),
                Ok(Err(error)) => self.log_dead(&error),
                Err(elapsed) => self.log_dead(&elapsed),
            }
        }
        self.dead_ids.ids.lock().is_empty()
    }

    fn log_dead(&self, error: &(dyn std::error::Error + 'static)) {
        self.dead_ids.log.log(|left_out| {
            tracing::warn!(error, left_out, "the record of an id that has ended could not be deleted yet");
        });
    }
}

async fn delete_until_none_is_left<S: SessionStore>(records: Weak<Records<S>>) {
    loop {
        let Some(records) = records.upgrade() else { return };
        if records.delete_the_dead().await {
            return;
        }
        drop(records);
        sleep(PAUSE).await;
    }
}
