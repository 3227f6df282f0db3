//! One timer for all calls that wait: it goes off when the first of them has waited too long, or a turn for which one
//! waits was held too long. A timer of its own for each would cost more than its turn.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::Turns;

/// No moment.
const NONE: u64 = u64::MAX;

pub(super) struct Alarm {
    /// What moments are counted from.
    zero: Instant,
    /// When it goes off, in nanoseconds.
    next: AtomicU64,
    /// The moment is sooner than it was, or there is nothing to wait for any more.
    changed: Notify,
    /// Whether there is a task that waits for it.
    watched: AtomicBool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        let (changed, watched) = Default::default();
        Self { zero: Instant::now(), next: AtomicU64::new(NONE), changed, watched }
    }

    /// Looks after the calls at this moment, or sooner.
    pub(super) fn look_at(self: &Arc<Self>, moment: Instant, turns: &Arc<Turns>) {
        let since_zero = moment.saturating_duration_since(self.zero);
        let moment = u64::try_from(since_zero.as_nanos()).unwrap_or(NONE - 1);
        // Nearly always: those who wait all wait equally long.
        if self.next.load(Ordering::Acquire) <= moment && self.watched.load(Ordering::Acquire) {
            return;
        }
        if moment < self.next.fetch_min(moment, Ordering::AcqRel) {
            self.changed.notify_one();
        }
        if let Ok(runtime) = Handle::try_current()
            && !self.watched.swap(true, Ordering::AcqRel)
        {
            let watched = Watched { alarm: Arc::clone(self), turns: Arc::downgrade(turns) };
            runtime.spawn(watch(watched));
        }
    }

    /// The queues are gone.
    pub(super) fn end(&self) {
        self.changed.notify_one();
    }
}

/// The alarm in the hands of its task, which may end with its runtime: then those who wait in another one look after
/// it there.
struct Watched {
    alarm: Arc<Alarm>,
    turns: Weak<Turns>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.alarm.watched.store(false, Ordering::Release);
        if let Some(turns) = self.turns.upgrade() {
            turns.wake_all();
        }
    }
}

async fn watch(watched: Watched) {
    let Watched { alarm, turns } = &watched;
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
        let Some(turns) = turns.upgrade() else { return };
        if let Some(again) = turns.look_after(Instant::now()) {
            turns.alarm.look_at(again, &turns);
        }
    }
}
