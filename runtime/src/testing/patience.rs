//! Waits that end.

use std::{
    fmt::Display,
    future::Future,
    panic::Location,
    pin::pin,
    time::{Duration, Instant},
};

/// The outcome of `future`; a panic that says what was waited for, and where, if it does not come in time.
///
/// Tokio's clock alone proves nothing: where a test has paused it, it jumps from timer to timer. So the machine's
/// clock decides, and tokio's only wakes the waiter.
pub(super) async fn within<T>(
    patience: Duration,
    what: impl Display,
    at: &'static Location<'static>,
    future: impl Future<Output = T>,
) -> T {
    let began = Instant::now();
    let mut future = pin!(future);
    loop {
        if let Ok(outcome) = tokio::time::timeout(patience, future.as_mut()).await {
            return outcome;
        }
        assert!(began.elapsed() < patience, "waited {patience:?} for {what} ({at})");
    }
}
