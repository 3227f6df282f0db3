//! Writes that nobody waits for any more, because their backend did not answer in time, and that may still arrive.

use std::{future::Future, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use super::Registry;
use crate::session::id::{BySession, SessionId};

/// How long such a write is waited for, before its session is written to without knowing what became of it.
pub(crate) const LONGEST: Duration = Duration::from_mins(1);

/// How many of them each session has.
#[derive(Default)]
pub(crate) struct Unsettled {
    writes: Mutex<BySession<usize>>,
    one_more: Notify,
}

impl Unsettled {
    /// Whether a write of this session may still arrive.
    pub(crate) fn has(&self, id: SessionId) -> bool {
        self.writes.lock().contains_key(&id)
    }

    /// Waits until there is one.
    pub(crate) async fn until_there_is_one(&self, id: SessionId) {
        loop {
            // It hears of those that come from now on.
            let one_more = self.one_more.notified();
            if self.has(id) {
                return;
            }
            one_more.await;
        }
    }
}

impl Registry {
    /// The writes that are waited for by nobody.
    pub(crate) fn unsettled(&self) -> &Unsettled {
        &self.0.unsettled
    }

    /// Lets a write of this session go on by itself. Until it has come back, or [`LONGEST`] has passed, the session
    /// has one that is not settled. `None`: it did not come back, and was dropped.
    pub(crate) fn see_to_its_end<W: Future>(
        &self,
        id: SessionId,
        write: W,
    ) -> impl Future<Output = Option<W::Output>> + use<W> {
        let unsettled = UnsettledWrite::begin(self.clone(), id);
        async move {
            let done = timeout(LONGEST, write).await.ok();
            drop(unsettled);
            done
        }
    }
}

/// Also gone where the runtime ends that waited for the write.
struct UnsettledWrite {
    registry: Registry,
    id: SessionId,
}

impl UnsettledWrite {
    fn begin(registry: Registry, id: SessionId) -> Self {
        let unsettled = registry.unsettled();
        *unsettled.writes.lock().entry(id).or_default() += 1;
        unsettled.one_more.notify_waiters();
        Self { registry, id }
    }
}

impl Drop for UnsettledWrite {
    fn drop(&mut self) {
        let mut writes = self.registry.unsettled().writes.lock();
        if let Some(count) = writes.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                writes.remove(&self.id);
            }
        }
    }
}
