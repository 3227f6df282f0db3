//! A commit that runs to its end, once begun, although its caller may be dropped.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::task::JoinHandle;

use crate::{
    error::{Error, ErrorKind},
    turns::Turn,
};

type Outcome = Result<(), Error>;

/// Waits for the end of a commit. Small, for handlers' futures hold it.
pub(crate) enum Detached {
    /// It needed no wait. The turn ends with this, so that its caller can have the answer on its way when the next
    /// call is woken.
    Done(Option<Outcome>, #[expect(dead_code, reason = "it ends when it is dropped")] Option<Turn>),
    /// It goes to a task of its own, if it must wait.
    Begins(Pin<Box<dyn Future<Output = Outcome> + Send>>),
    Runs(JoinHandle<Outcome>),
}

impl Detached {
    pub(crate) fn done(outcome: Outcome, turn: Option<Turn>) -> Self {
        Self::Done(Some(outcome), turn)
    }

    pub(crate) fn of(commit: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self::Begins(Box::pin(commit))
    }
}

impl Future for Detached {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            match &mut *self {
                Self::Done(outcome, _) => match outcome.take() {
                    Some(outcome) => return Poll::Ready(outcome),
                    None => unreachable!("a future that has ended is not polled again"),
                },
                Self::Begins(commit) => {
                    if let Poll::Ready(outcome) = commit.as_mut().poll(context) {
                        return Poll::Ready(outcome);
                    }
                    let Self::Begins(commit) = std::mem::replace(&mut *self, Self::Done(None, None)) else {
                        continue;
                    };
                    *self = Self::Runs(tokio::spawn(commit));
                }
                Self::Runs(task) => {
                    let ended = ready!(Pin::new(task).poll(context));
                    return Poll::Ready(
                        ended.unwrap_or_else(|error| {
                            Err(Error::new(ErrorKind::OutcomeUnknown).because(error))
                        }),
                    );
                }
            }
        }
    }
}
