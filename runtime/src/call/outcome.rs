//! The table of outcomes: what becomes of a call, from how its handler ended and what it wants of the session.

use super::intents::Intent;

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned, and not an error.
    Normal,
    /// It returned `Err`, or its answer is 5xx.
    Failed,
    Panicked,
}

/// What becomes of a handler's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Commit,
    Discard,
    /// The session ends, whatever was changed.
    End,
}

/// The table of outcomes. A call that is cancelled never comes here: its turn ends where it is dropped.
pub(crate) fn decide(outcome: Outcome, intent: &Intent) -> Decision {
    match outcome {
        _ if intent.flush => Decision::End,
        Outcome::Normal => Decision::Commit,
        Outcome::Failed if intent.keep_changes => Decision::Commit,
        Outcome::Failed | Outcome::Panicked => Decision::Discard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_outcomes() {
        use Decision::{Commit, Discard, End};
        let nothing = Intent::default();
        let keep = Intent { keep_changes: true, ..nothing };
        let flush = Intent { flush: true, ..nothing };
        let both = Intent { keep_changes: true, ..flush };
        for (outcome, intent, expected) in [
            (Outcome::Normal, nothing, Commit),
            (Outcome::Normal, keep, Commit),
            (Outcome::Normal, flush, End),
            (Outcome::Failed, nothing, Discard),
            (Outcome::Failed, keep, Commit),
            (Outcome::Failed, flush, End),
            (Outcome::Failed, both, End),
            (Outcome::Panicked, nothing, Discard),
            (Outcome::Panicked, keep, Discard),
            (Outcome::Panicked, flush, End),
        ] {
            assert_eq!(decide(outcome, &intent), expected, "{outcome:?} {intent:?}");
        }
    }
}
