//! A task of which there is one at most, and which goes on where its runtime ended: whoever asks for it next starts it
//! again, in the runtime that they are in.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::runtime::Handle;

const IDLE: u8 = 0;
const RUNS: u8 = 1;
/// It runs, and was asked for again: there may be more to do than it knows.
const ASKED: u8 = 2;

/// Whether the task runs.
#[derive(Default)]
pub(crate) struct Background(Arc<AtomicU8>);

impl Background {
    pub(crate) fn runs(&self) -> bool {
        self.0.load(Ordering::Acquire) != IDLE
    }

    /// Starts the task unless it runs. Outside of a runtime it does nothing. A task that ends while it is asked for
    /// begins anew. `lost` is called where the runtime ended before the task did.
    pub(crate) fn start<F>(
        &self,
        mut task: impl FnMut() -> F + Send + 'static,
        lost: impl FnOnce() + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else { return };
        let asked = |state| Some(if state == IDLE { RUNS } else { ASKED });
        if self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, asked) != Ok(IDLE) {
            return;
        }
        let mut shift = Shift { state: Arc::clone(&self.0), lost: Some(lost) };
        runtime.spawn(async move {
            task().await;
            while shift.was_asked_again() {
                task().await;
            }
        });
    }
}

/// Held by the task that runs.
struct Shift<L: FnOnce()> {
    state: Arc<AtomicU8>,
    /// `None`: the task has ended by itself.
    lost: Option<L>,
}

impl<L: FnOnce()> Shift<L> {
    /// Whether the task must begin anew; if not, it counts as ended.
    fn was_asked_again(&mut self) -> bool {
        if self.state.compare_exchange(RUNS, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.lost = None;
            return false;
        }
        self.state.store(RUNS, Ordering::Release);
        true
    }
}

impl<L: FnOnce()> Drop for Shift<L> {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            self.state.store(IDLE, Ordering::Release);
            lost();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::atomic::AtomicUsize};

    use tokio::{runtime, sync::Notify};

    use super::*;

    fn runtime() -> runtime::Runtime {
        runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn what_ended_with_its_runtime_goes_on_in_another_one() {
        let background = Background::default();
        let (begun, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = || {
            let (begun, lost) = (Arc::clone(&begun), Arc::clone(&lost));
            let task = move || {
                begun.fetch_add(1, Ordering::Relaxed);
                pending()
            };
            background.start(task, move || {
                lost.fetch_add(1, Ordering::Relaxed);
            });
        };
        start();
        assert!(!background.runs(), "there is no runtime here");
        for round in 1..=2 {
            let runtime = runtime();
            runtime.block_on(async {
                start();
                start();
                tokio::task::yield_now().await;
            });
            assert!(background.runs());
            assert_eq!(begun.load(Ordering::Relaxed), round);
            drop(runtime);
            assert!(!background.runs());
            assert_eq!(lost.load(Ordering::Relaxed), round);
        }
    }

    #[test]
    fn whoever_asks_while_it_ends_is_not_forgotten() {
        let background = Background::default();
        let (begun, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        runtime().block_on(async {
            let start = || {
                let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
                let task = move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    let go_on = Arc::clone(&go_on);
                    async move { go_on.notified().await }
                };
                background.start(task, || panic!("it ends by itself"));
            };
            start();
            tokio::task::yield_now().await;
            start();
            go_on.notify_one();
            tokio::task::yield_now().await;
            assert_eq!((begun.load(Ordering::Relaxed), background.runs()), (2, true));
            go_on.notify_one();
            tokio::task::yield_now().await;
            assert_eq!((begun.load(Ordering::Relaxed), background.runs()), (2, false));
        });
    }
}
