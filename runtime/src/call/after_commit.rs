//! What a handler wants begun once its commit is in, in the order of the commits.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;

use crate::panics::panicked;

type Begun = Pin<Box<dyn Future<Output = Result<(), Box<dyn Any + Send>>> + Send>>;

/// Futures, in the order in which they were given.
#[derive(Default)]
pub(crate) struct AfterCommit(Vec<Begun>);

impl AfterCommit {
    pub(super) fn add(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.push(Box::pin(AssertUnwindSafe(future).catch_unwind()));
    }

    /// Polls each once, here, so that what it does before its first wait comes in the order of the commits. The rest goes on
    /// on a task of its own.
    pub(super) fn begin(self) {
        self.0.into_iter().for_each(begin);
    }
}

impl fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterCommit").finish_non_exhaustive()
    }
}

fn begin(mut future: Begun) {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => log_panic(ended),
        Poll::Pending => drop(tokio::spawn(future.map(log_panic))),
    }
}

fn log_panic(ended: Result<(), Box<dyn Any + Send>>) {
    if let Err(payload) = ended {
        panicked(payload).log("a future given to `after_commit`");
    }
}
