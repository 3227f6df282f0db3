//! Deletes what has expired, where the store can do that.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tower_sessions::{ExpiredDeletion, session_store};

use super::Records;

type Deletion<'a> = Pin<Box<dyn Future<Output = session_store::Result<()>> + Send + 'a>>;

/// How, and how often.
pub(super) struct Cleanup<S> {
    interval: Duration,
    delete_expired: for<'a> fn(&'a S) -> Deletion<'a>,
}

impl<S> Clone for Cleanup<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Cleanup<S> {}

impl<S: ExpiredDeletion> Cleanup<S> {
    pub(super) fn each(interval: Duration) -> Self {
        let interval = interval.max(Duration::from_secs(1));
        Self { interval, delete_expired: |store| Box::pin(async move { store.delete_expired().await }) }
    }
}

impl<S: Send + Sync + 'static> Records<S> {
    /// Starts the one task that does it, now and after each interval; it ends with the backend.
    pub(super) fn clean_up_from_now_on(self: &Arc<Self>, cleanup: Cleanup<S>) {
        if !self.cleanup.runs() {
            let records = Arc::downgrade(self);
            self.cleanup.start(move || clean_up(Weak::clone(&records), cleanup), || {});
        }
    }
}

async fn clean_up<S: Send + Sync + 'static>(records: Weak<Records<S>>, cleanup: Cleanup<S>) {
    loop {
        let Some(records) = records.upgrade() else { return };
        // A store that never answers is asked again.
        let longest = cleanup.interval.max(Duration::from_mins(1));
        let error = match timeout(longest, (cleanup.delete_expired)(&records.store)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(elapsed) => Some(elapsed.to_string()),
        };
        if let Some(error) = error {
            tracing::warn!(error, "sessions that have expired could not be deleted: it is tried again");
        }
        drop(records);
        sleep(cleanup.interval).await;
    }
}
