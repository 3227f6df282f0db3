//! A commit that runs to its end, once begun, although its caller may be dropped.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::task::JoinHandle;

use crate::{
    backend::Answer,
    error::{Error, ErrorKind},
    turns::Turn,
};

/// A commit that is over. Whoever waited for it has its answer on the way first, and then drops the turn, so that the
/// next call is answered later.
pub(crate) struct Committed {
    pub(crate) outcome: Result<(), Error>,
    /// `None` where there was none, or it was passed on.
    pub(crate) turn: Option<Turn>,
}

/// Waits for the end of a commit. Small, for handlers' futures hold it.
pub(crate) enum Detached {
    /// It needed no wait.
    Done(Option<Committed>),
    /// It goes to a task of its own, if it must wait.
    Begins(Pin<Box<dyn Future<Output = Committed> + Send>>),
    Runs(JoinHandle<Committed>),
}

impl Detached {
    pub(crate) fn done(outcome: Result<(), Error>, turn: Option<Turn>) -> Self {
        Self::Done(Some(Committed { outcome, turn }))
    }

    pub(crate) fn of(commit: impl Future<Output = Committed> + Send + 'static) -> Self {
        Self::Begins(Box::pin(commit))
    }
}

impl From<Answer<Committed>> for Detached {
    fn from(answer: Answer<Committed>) -> Self {
        match answer {
            Answer::Ready(committed) => Self::Done(Some(committed)),
            Answer::Pending(commit) => Self::Begins(commit),
        }
    }
}

impl Future for Detached {
    type Output = Committed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Committed> {
        loop {
            match &mut *self {
                Self::Done(committed) => match committed.take() {
                    Some(committed) => return Poll::Ready(committed),
                    None => unreachable!("a future that has ended is not polled again"),
                },
                Self::Begins(commit) => {
                    if let Poll::Ready(committed) = commit.as_mut().poll(context) {
                        return Poll::Ready(committed);
                    }
                    let Self::Begins(commit) = std::mem::replace(&mut *self, Self::Done(None)) else {
                        continue;
                    };
                    *self = Self::Runs(tokio::spawn(run(commit)));
                }
                Self::Runs(task) => {
                    let ended = ready!(Pin::new(task).poll(context));
                    return Poll::Ready(ended.unwrap_or_else(|error| {
                        let error = Error::new(ErrorKind::OutcomeUnknown).because(error);
                        Committed { outcome: Err(error), turn: None }
                    }));
                }
            }
        }
    }
}

/// Without a caller the turn ends here.
async fn run(commit: Pin<Box<dyn Future<Output = Committed> + Send>>) -> Committed {
    let mut committed = commit.await;
    if let Some(turn) = &mut committed.turn {
        turn.hand_back();
    }
    committed
}
