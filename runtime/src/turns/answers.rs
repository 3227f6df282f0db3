//! Answers in the order of turns. Where a turn is passed on before its commit is in, the next call may be told first that
//! its own is in: then it answers when the calls before it have.

use std::{fmt, mem, sync::Arc};

use tokio::sync::SetOnce;

use super::Turn;

/// The answer of a call that passed its turn on. Dropped when the answer is on its way, or there is none.
pub(super) struct DueAnswer(Arc<Link>);

/// The answers of the calls before one that a turn was passed on to.
#[derive(Clone)]
pub(super) struct AnswersBefore(Arc<Link>);

struct Link {
    is_given: SetOnce<()>,
    before: Option<AnswersBefore>,
}

impl DueAnswer {
    /// And what the call that has the turn next waits for.
    pub(super) fn after(before: Option<AnswersBefore>) -> (Self, AnswersBefore) {
        let link = Arc::new(Link { is_given: SetOnce::new(), before });
        (Self(Arc::clone(&link)), AnswersBefore(link))
    }
}

impl Drop for DueAnswer {
    fn drop(&mut self) {
        self.0.is_given.set(()).ok();
    }
}

impl AnswersBefore {
    /// Waits until all of them are given. Whoever is no event does not wait for those before it, so all are looked at.
    async fn given(&self) {
        let mut next = Some(self);
        while let Some(AnswersBefore(link)) = next {
            link.is_given.wait().await;
            next = link.before.as_ref();
        }
    }
}

impl fmt::Debug for AnswersBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswersBefore").finish_non_exhaustive()
    }
}

/// What is around a call that has committed: the answers before its own, and who is next. Whoever answers waits for the
/// former, has the answer on its way, and then drops this: then the next call goes on, or, if that has the turn already,
/// answers.
pub(crate) struct Behind {
    before: Option<AnswersBefore>,
    next: Next,
}

enum Next {
    Nobody,
    /// Who waits for the turn.
    Waits(Turn),
    /// It has the turn, and waits for this answer.
    Goes(#[expect(dead_code, reason = "it is given when it is dropped")] DueAnswer),
}

impl Behind {
    /// Nobody waits for anything.
    pub(crate) fn nobody() -> Self {
        Self { before: None, next: Next::Nobody }
    }

    /// Those who wait for the turn, if there is one.
    pub(crate) fn turn(turn: Option<Turn>) -> Self {
        let before = turn.as_ref().and_then(Turn::answers_before).cloned();
        Self { before, next: turn.map_or(Next::Nobody, Next::Waits) }
    }

    /// A call that has passed its turn on.
    pub(super) fn passed_on(answer: DueAnswer, before: Option<AnswersBefore>) -> Self {
        Self { before, next: Next::Goes(answer) }
    }

    /// The turn, unless it was passed on.
    pub(crate) fn held(&mut self) -> Option<&mut Turn> {
        match &mut self.next {
            Next::Waits(turn) => Some(turn),
            Next::Nobody | Next::Goes(_) => None,
        }
    }

    /// The turn, if it is still held.
    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        match mem::replace(&mut self.next, Next::Nobody) {
            Next::Waits(turn) => Some(turn),
            next => {
                self.next = next;
                None
            }
        }
    }

    /// Ends the turn, so that the next call goes on at once.
    pub(crate) fn let_next_go_on(&mut self) {
        self.next = Next::Nobody;
    }

    /// Whether the call got its turn from one that may not have answered yet.
    pub(crate) fn is_passed_on(&self) -> bool {
        self.before.is_some()
    }

    /// Waits until the calls before have answered, where they passed their turns on.
    pub(crate) async fn those_before_have_answered(&self) {
        if let Some(before) = &self.before {
            before.given().await;
        }
    }
}
