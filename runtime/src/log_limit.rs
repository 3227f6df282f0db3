//! Keeps a line that could be logged at each call from filling the log.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A line is logged this often at most.
const INTERVAL: Duration = Duration::from_mins(1);

/// When a line was logged last, and how often it was left out since.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<(Option<Instant>, u64)>);

impl LogLimit {
    /// Whether a line would be logged now.
    pub(crate) fn is_due(&self) -> bool {
        self.0.lock().0.is_none_or(|at| at.elapsed() >= INTERVAL)
    }

    /// Logs, unless it was done within the last minute. `log` is told how often it was left out since then.
    pub(crate) fn log(&self, log: impl FnOnce(u64)) {
        let now = Instant::now();
        let left_out = {
            let mut last = self.0.lock();
            if last.0.is_some_and(|at| now.duration_since(at) < INTERVAL) {
                last.1 += 1;
                return;
            }
            std::mem::replace(&mut *last, (Some(now), 0)).1
        };
        log(left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_a_minute_and_what_was_left_out_is_told() {
        let (limit, mut told) = (LogLimit::default(), Vec::new());
        for _ in 0..130 {
            limit.log(|left_out| told.push(left_out));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, [0, 59, 59]);
    }
}
