//! One measurement: what a piece of work cost a server, and what its clients saw.

use std::{io, time::Duration};

use tokio::time::sleep;

use crate::{client::Tally, process::Process, statistics::quantile};

/// A server is quiet, and what it did is accounted for, this long after its last answer.
const SETTLED: Duration = Duration::from_millis(2);

/// What one piece of work came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Microseconds of processor time of the server, an operation.
    pub cpu: f64,
    /// The same of what it keeps its sessions in.
    pub behind: f64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    pub longest: f64,
    pub done: usize,
    pub errors: usize,
    /// Writes that were answered as done, and are not there.
    pub lost: u64,
}

/// Measures the work on a server.
pub(crate) async fn measure(
    process: &Process,
    work: impl AsyncFnOnce() -> io::Result<Tally>,
) -> io::Result<Measured> {
    sleep(SETTLED).await;
    let before = process.cpu()?;
    let tally = work().await?;
    sleep(SETTLED).await;
    let cpu = process.cpu()?.saturating_sub(before);
    Ok(Measured::of(&tally, cpu))
}

impl Measured {
    fn of(tally: &Tally, cpu: u64) -> Self {
        let mut latencies: Vec<_> = tally.latencies.iter().map(|nanos| micros(*nanos)).collect();
        latencies.sort_by(f64::total_cmp);
        let done = latencies.len();
        Self {
            cpu: micros(cpu) / done as f64,
            behind: 0.0,
            p50: quantile(&latencies, 50, 100),
            p99: quantile(&latencies, 99, 100),
            longest: quantile(&latencies, 1, 1),
            done,
            errors: tally.errors,
            lost: 0,
        }
    }

    /// Compares with the counts of all sessions. They may even have fallen: an old copy was saved over a newer one.
    pub(crate) fn counted(mut self, before: u64, after: u64) -> Self {
        let expected = before + (self.done - self.errors) as u64;
        self.lost = expected.saturating_sub(after);
        self
    }
}

pub(crate) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}
