//! The time of day, moved along when a test pauses or advances tokio's clock.

use std::time::{Duration, Instant as StdInstant};

use time::OffsetDateTime;
use tokio::time::Instant;

/// The wall clock, plus what tokio's clock is ahead of (or behind) the machine's: nothing, outside of tests.
pub(crate) fn now() -> OffsetDateTime {
    let wall = OffsetDateTime::now_utc();
    let machine = StdInstant::now();
    let tokio = Instant::now().into_std();
    if tokio >= machine { wall + (tokio - machine) } else { wall - (machine - tokio) }
}

/// How long until a moment; nothing if it has passed.
pub(crate) fn until(moment: OffsetDateTime) -> Duration {
    Duration::try_from(moment - now()).unwrap_or(Duration::ZERO)
}
