//! A commit that runs to its end, once begun, although its caller may be dropped.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::FutureExt;
use tokio::task::JoinHandle;

use super::after_commit::AfterCommit;
use crate::{
    backend::Answer,
    error::{Error, ErrorKind},
    telemetry::Observed,
    turns::{Behind, Turn},
};

/// A commit that is over. Whoever answers after it has the answer on its way first, and then drops `behind`, so that the
/// next call is answered later.
pub(crate) struct Committed {
    pub(crate) outcome: Result<(), Error>,
    pub(crate) behind: Behind,
}

/// Waits for the end of a commit. Small, for handlers' futures hold it.
pub(crate) enum Detached {
    /// It needed no wait.
    Done(Option<Committed>),
    /// It goes to a task of its own, if it must wait.
    Begins {
        commit: Pin<Box<dyn Future<Output = Committed> + Send>>,
        /// The turn waits for an answer.
        answers: bool,
    },
    Runs(JoinHandle<Committed>),
}

impl Detached {
    pub(crate) fn done(outcome: Result<(), Error>, turn: Option<Turn>) -> Self {
        Self::Done(Some(Committed { outcome, behind: Behind::turn(turn) }))
    }

    pub(crate) fn of(commit: impl Future<Output = Committed> + Send + 'static) -> Self {
        Self::Begins { commit: Box::pin(commit), answers: true }
    }

    /// Begins these once it is in; not at all if it fails.
    pub(crate) fn and_then_begin(self, after: Option<Box<AfterCommit>>) -> Self {
        let Some(after) = after else { return self };
        match self {
            Self::Done(Some(committed)) => {
                if committed.outcome.is_ok() {
                    after.begin();
                }
                Self::Done(Some(committed))
            }
            Self::Begins { commit, answers } => {
                let commit = Box::pin(async move {
                    let committed = commit.await;
                    if committed.outcome.is_ok() {
                        // In a run the calls before may be told later that theirs are in.
                        committed.behind.those_before_have_answered().await;
                        after.begin();
                    }
                    committed
                });
                Self::Begins { commit, answers }
            }
            begun @ (Self::Done(None) | Self::Runs(_)) => begun,
        }
    }

    /// Tells who watches the call once it is over.
    pub(crate) fn observed(self, observed: Observed, wants_commit: bool) -> Self {
        if !observed.is_on() {
            return self;
        }
        match self {
            Self::Done(Some(committed)) => {
                observed.ends(wants_commit, &committed.outcome);
                Self::Done(Some(committed))
            }
            Self::Begins { commit, answers } => {
                let commit = Box::pin(async move {
                    let committed = commit.await;
                    observed.ends(wants_commit, &committed.outcome);
                    committed
                });
                Self::Begins { commit, answers }
            }
            begun @ (Self::Done(None) | Self::Runs(_)) => begun,
        }
    }

    /// What came of it, if it needed no wait.
    pub(crate) fn now(self) -> Result<Committed, Self> {
        match self {
            Self::Done(Some(committed)) => Ok(committed),
            waits => Err(waits),
        }
    }

    /// For a call that has nothing on its way before the next one goes on: its turn ends with the commit, however late the
    /// call is polled.
    pub(crate) fn outcome(mut self) -> impl Future<Output = Result<(), Error>> + Send {
        if let Self::Begins { answers, .. } = &mut self {
            *answers = false;
        }
        self.map(|Committed { outcome, .. }| outcome)
    }
}

impl From<Answer<Committed>> for Detached {
    fn from(answer: Answer<Committed>) -> Self {
        match answer {
            Answer::Ready(committed) => Self::Done(Some(committed)),
            Answer::Pending(commit) => Self::Begins { commit, answers: true },
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
                Self::Begins { commit, answers } => {
                    if let Poll::Ready(committed) = commit.as_mut().poll(context) {
                        return Poll::Ready(committed);
                    }
                    let answers = *answers;
                    let Self::Begins { commit, .. } = std::mem::replace(&mut *self, Self::Done(None)) else {
                        continue;
                    };
                    *self = Self::Runs(tokio::spawn(run(commit, answers)));
                }
                Self::Runs(task) => {
                    let ended = ready!(Pin::new(task).poll(context));
                    return Poll::Ready(ended.unwrap_or_else(|error| {
                        let error = Error::new(ErrorKind::OutcomeUnknown).because(error);
                        Committed { outcome: Err(error), behind: Behind::nobody() }
                    }));
                }
            }
        }
    }
}

/// Where nobody waits for the outcome any more, the turn ends here.
async fn run(commit: Pin<Box<dyn Future<Output = Committed> + Send>>, answers: bool) -> Committed {
    let Committed { outcome, mut behind } = commit.await;
    if !answers {
        behind = Behind::nobody();
    } else if let Some(turn) = behind.held() {
        turn.hand_back();
    }
    Committed { outcome, behind }
}
