//! The orderly end of a process: sockets go, nothing new begins, what is at work ends and gives its leases back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Registry, SessionSocket};

/// How often it is looked whether all calls have ended.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(super) struct Shutdown {
    has_begun: AtomicBool,
    begins: Notify,
    /// Leases that are on their way back.
    releases: Arc<AtomicUsize>,
}

/// A lease on its way back.
pub(crate) struct Release(Arc<AtomicUsize>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Registry {
    /// Whether nothing new is to begin.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.0.shutdown.has_begun.load(Ordering::Acquire)
    }

    /// Waits until nothing new is to begin.
    pub(crate) async fn until_it_shuts_down(&self) {
        // It hears of what begins from now on.
        let begins = self.0.shutdown.begins.notified();
        if !self.is_shutting_down() {
            begins.await;
        }
    }

    /// A lease goes back, until this is dropped.
    pub(crate) fn release_begins(&self) -> Release {
        let releases = Arc::clone(&self.0.shutdown.releases);
        releases.fetch_add(1, Ordering::AcqRel);
        Release(releases)
    }

    /// Ends what this process does for the backend's sessions, within this time. Whether all of it has ended.
    pub(crate) async fn shut_down(&self, within: Duration) -> bool {
        self.0.shutdown.has_begun.store(true, Ordering::Release);
        self.0.shutdown.begins.notify_waiters();
        timeout(within, self.end_all()).await.is_ok()
    }

    async fn end_all(&self) {
        // The first of a server's closes the connections of all of them, whose disconnect handlers are at work from then on.
        join_all(self.0.sockets.all().into_iter().map(SessionSocket::close_server)).await;
        while self.0.turns.sessions() > 0 || self.0.shutdown.releases.load(Ordering::Acquire) > 0 {
            sleep(LOOK).await;
        }
    }
}
