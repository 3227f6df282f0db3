//! The time of day, moved along when a test pauses or advances tokio's clock.

use std::{
    cell::Cell,
    time::{Duration, Instant as StdInstant},
};

use time::OffsetDateTime;
use tokio::time::Instant;

/// How exact the time of day is: within it, a thread reads one clock instead of three, and reckons with no calendar.
const EXACT: Duration = Duration::from_millis(1);

/// A time this far off never comes.
const NEVER: Duration = Duration::from_hours(24 * 365 * 30);

/// One moment by both clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: OffsetDateTime,
}

thread_local! {
    /// What this thread read last.
    static LAST: Cell<Option<Now>> = const { Cell::new(None) };
}

impl Now {
    pub(crate) fn read() -> Self {
        Self::at(Instant::now())
    }

    /// At an instant that was read a moment ago.
    pub(crate) fn at(instant: Instant) -> Self {
        let last = LAST.get();
        let recent =
            |last: &Self| instant.checked_duration_since(last.instant).is_some_and(|ago| ago < EXACT);
        if let Some(last) = last.filter(recent) {
            return Self { instant, ..last };
        }
        let now = Self { instant, wall: wall(instant) };
        LAST.set(Some(now));
        now
    }

    /// When a moment of the calendar comes by tokio's clock; this instant, if it has passed.
    pub(crate) fn instant_of(self, moment: OffsetDateTime) -> Instant {
        let ahead = Duration::try_from(moment - self.wall).unwrap_or(Duration::ZERO);
        after(self.instant, ahead)
    }
}

/// The wall clock, plus what tokio's clock is ahead of (or behind) the machine's: nothing, outside of tests.
fn wall(tokio: Instant) -> OffsetDateTime {
    let wall = OffsetDateTime::now_utc();
    let machine = StdInstant::now();
    let tokio = tokio.into_std();
    if tokio >= machine { wall + (tokio - machine) } else { wall - (machine - tokio) }
}

/// The time of day.
pub(crate) fn now() -> OffsetDateTime {
    Now::read().wall
}

/// This long after an instant, however long that is.
pub(crate) fn after(instant: Instant, wait: Duration) -> Instant {
    instant.checked_add(wait).unwrap_or_else(|| instant + NEVER)
}
