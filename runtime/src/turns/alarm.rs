//! One timer for all calls that wait: it goes off when the first of them has waited too long, or a turn for which one
//! waits was held too long, or nobody takes one that has come. A timer of its own for each would cost more than its turn.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::Turns;
use crate::background::Background;

/// No moment.
const NONE: u64 = u64::MAX;

/// How often other tasks go first, before a call counts as one that nobody polls: on a busy machine it may only be late.
const OTHERS_FIRST: usize = 64;

pub(super) struct Alarm {
    /// What moments are counted from.
    zero: Instant,
    /// When it goes off, in nanoseconds.
    next: AtomicU64,
    /// The moment is sooner than it was, or there is nothing to wait for any more.
    changed: Notify,
    /// The task that waits for it.
    watch: Background,
}

impl Alarm {
    pub(super) fn new() -> Self {
        let (changed, watch) = Default::default();
        Self { zero: Instant::now(), next: AtomicU64::new(NONE), changed, watch }
    }

    /// Looks after the calls at this moment, or sooner.
    pub(super) fn look_at(self: &Arc<Self>, moment: Instant, turns: &Arc<Turns>) {
        let since_zero = moment.saturating_duration_since(self.zero);
        let moment = u64::try_from(since_zero.as_nanos()).unwrap_or(NONE - 1);
        // Nearly always: those who wait all wait equally long.
        if self.next.load(Ordering::Acquire) <= moment && self.watch.runs() {
            return;
        }
        if moment < self.next.fetch_min(moment, Ordering::AcqRel) {
            self.changed.notify_one();
        }
        let (alarm, weak) = (Arc::clone(self), Arc::downgrade(turns));
        let watch = move || watch(Arc::clone(&alarm), Weak::clone(&weak));
        // Those who wait in another runtime look after it there.
        let turns = Arc::downgrade(turns);
        let wake_all = move || {
            if let Some(turns) = turns.upgrade() {
                turns.wake_all();
            }
        };
        self.watch.start(watch, wake_all);
    }

    /// The queues are gone.
    pub(super) fn end(&self) {
        self.changed.notify_one();
    }
}

async fn watch(alarm: Arc<Alarm>, turns: Weak<Turns>) {
    while turns.strong_count() > 0 {
        let next = alarm.next.load(Ordering::Acquire);
        if next == NONE {
            alarm.changed.notified().await;
            continue;
        }
        let moment = alarm.zero + Duration::from_nanos(next);
        tokio::select! {
            () = alarm.changed.notified() => continue,
            () = sleep_until(moment) => {}
        }
        alarm.next.store(NONE, Ordering::Release);
        let now = Instant::now();
        let look_again = |again: Option<Instant>, turns: &Arc<Turns>| {
            if let Some(again) = again {
                turns.alarm.look_at(again, turns);
            }
        };
        let Some(seen) = turns.upgrade().map(|turns| {
            let seen = turns.look_after(now);
            look_again(seen.again, &turns);
            seen
        }) else {
            return;
        };
        if seen.untaken {
            for _ in 0..OTHERS_FIRST {
                yield_now().await;
            }
            if let Some(turns) = turns.upgrade() {
                look_again(turns.set_aside(now), &turns);
            }
        }
    }
}
