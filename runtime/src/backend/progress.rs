//! How far a commit has come: whoever waits for it and gives it up can tell whether it may have written.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

/// 0: the backend does not say.
const WROTE_NOTHING: u8 = 1;
const MAY_HAVE_WRITTEN: u8 = 2;
const HAS_NEW_ID: u8 = 3;
const GIVEN_UP: u8 = 4;

tokio::task_local! {
    /// Of the commit that is polled.
    static CURRENT: Progress;
}

/// The progress of one commit, shared by the backend that makes it and whoever waits for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

/// How far a commit had come that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It wrote nothing, and does not go on.
    Nothing,
    /// It may have written, or do it later.
    MayHaveWritten,
    /// The session stands under its new id; it is the old one's end that may still come.
    NewId,
}

impl Progress {
    /// Of the commit that this task polls.
    pub(super) fn of_commit() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// A commit that tells of its progress here.
    pub(crate) fn of<F: Future + Unpin>(&self, commit: F) -> Watched<F> {
        Watched { progress: self.clone(), commit }
    }

    /// From now on it waits for something, and has written nothing.
    pub(super) fn has_written_nothing(&self) {
        self.0.store(WROTE_NOTHING, Ordering::Release);
    }

    /// From now on it may have written.
    pub(super) fn may_have_written(&self) {
        self.0.store(MAY_HAVE_WRITTEN, Ordering::Release);
    }

    /// The session stands under its new id. `false`: the commit was given up before, and the session goes on under its
    /// old one.
    pub(super) fn has_new_id(&self) -> bool {
        let reached =
            self.0.compare_exchange(MAY_HAVE_WRITTEN, HAS_NEW_ID, Ordering::AcqRel, Ordering::Acquire);
        reached.is_ok()
    }

    /// Nobody waits any more.
    pub(crate) fn give_up(&self) -> Reached {
        match self.0.swap(GIVEN_UP, Ordering::AcqRel) {
            WROTE_NOTHING => Reached::Nothing,
            HAS_NEW_ID => Reached::NewId,
            _ => Reached::MayHaveWritten,
        }
    }
}

/// A commit whose progress is told. Unlike the future of a task local it can be handed on while it runs.
pub(crate) struct Watched<F> {
    progress: Progress,
    commit: F,
}

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { progress, commit } = self.get_mut();
        CURRENT.sync_scope(progress.clone(), || Pin::new(commit).poll(context))
    }
}
