//! The one place where a commit is made and given to a backend: under a turn's lease where there is one.

use std::time::Duration;

use super::bounded::{bound, ending_by};
use crate::{
    backend::{
        Action, Answer, AttributeChanges, Attributes, Backend, BackendError, Commit, Expires, Lease, Line,
    },
    figures::Asks,
    session::{change::Changes, id::SessionId},
    turns::{Behind, Turn},
};

/// What is to become of a session.
pub(crate) struct Write {
    pub(crate) id: SessionId,
    pub(crate) action: Action,
    pub(crate) changes: Changes,
    pub(crate) attributes: AttributeChanges,
    pub(crate) expires: Option<Expires>,
    /// It ends by somebody else than its own page.
    pub(crate) revoked: bool,
    /// What it was before, where an index is kept by that.
    pub(crate) loaded: Option<Box<Attributes>>,
}

impl Write {
    pub(crate) fn of(id: SessionId, action: Action) -> Self {
        let (changes, attributes) = Default::default();
        Self { id, action, changes, attributes, expires: None, revoked: false, loaded: None }
    }
}

/// What a commit is made under.
pub(crate) enum Under {
    Turn(Option<Turn>),
    /// The backend may pass the turn on.
    Line(Line),
}

impl Under {
    /// What is behind the commit. One that was carried out has ended the turn's lease.
    pub(crate) fn behind<E>(self, done: &Result<(), E>) -> Behind {
        let mut behind = match self {
            Self::Turn(turn) => Behind::turn(turn),
            Self::Line(line) => line.take(),
        };
        if done.is_ok()
            && let Some(turn) = behind.held()
        {
            turn.end_lease();
        }
        behind
    }
}

/// Commits, within this limit. The turn, if there is one, is held until the answer is there, or longer.
#[inline]
pub(crate) fn write(
    backend: &dyn Backend,
    write: Write,
    turn: Option<Turn>,
    limit: Duration,
) -> (Answer<Result<(), BackendError>>, Under) {
    let Write { id, action, changes, attributes, expires, revoked, loaded } = write;
    // Where a call inside of this one has changed the id, the lease went with the old one; and nobody else can have the
    // turns of the new one, of which no client was told.
    let counts = |turn: &&Turn| turn.is_of(id) || turn.lease_was_passed_on();
    let lease = turn.as_ref().filter(counts).map_or_else(Lease::default, Turn::lease);
    let ends = ending_by(&action, revoked);
    let commit = Commit { id, lease, action, changes, attributes, expires, revoked, loaded };
    let asks = Asks::begins("commit");
    let (mut answer, under) = match turn {
        Some(turn) if lease != Lease::default() => {
            let line = Line::behind(turn);
            (backend.commit_in_line(commit, line.clone()), Under::Line(line))
        }
        turn => (backend.commit(commit), Under::Turn(turn)),
    };
    bound(&mut answer, backend.registry(), id, ends, limit, asks);
    (answer, under)
}
