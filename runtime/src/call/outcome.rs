//! The table of outcomes: what becomes of a call or of a request, from how it ended and what it wants of the session
//! itself. Annotated handlers, requests without one, the plain `Session` and whatever was dropped are decided here, and
//! nowhere else.

use super::intents::Intent;
use crate::telemetry::Ended;

/// How a call, or a request, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned, and not an error.
    Normal,
    /// It returned `Err`, or its answer is 5xx.
    Failed,
    Panicked,
    /// It was dropped before its end: its client left, or somebody around it gave it up.
    Cancelled,
}

impl Outcome {
    pub(crate) fn ended(self) -> Ended {
        match self {
            Self::Normal => Ended::Normal,
            Self::Failed => Ended::Failed,
            Self::Panicked => Ended::Panicked,
            Self::Cancelled => Ended::Cancelled,
        }
    }
}

/// What becomes of its changes, and of what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Commit,
    Discard,
    /// The session ends, whatever was changed.
    End,
}

/// The table of outcomes.
pub(crate) fn decide(outcome: Outcome, intent: &Intent) -> Decision {
    match outcome {
        _ if intent.flush => Decision::End,
        Outcome::Normal => Decision::Commit,
        Outcome::Failed if intent.keep_changes => Decision::Commit,
        Outcome::Failed | Outcome::Panicked | Outcome::Cancelled => Decision::Discard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_outcomes() {
        use Decision::{Commit, Discard, End};
        use Outcome::{Cancelled, Failed, Normal, Panicked};
        let nothing = Intent::default();
        let keep = Intent { keep_changes: true, ..nothing.clone() };
        let flush = Intent { flush: true, ..nothing.clone() };
        let both = Intent { keep_changes: true, ..flush.clone() };
        for (outcome, [of_nothing, of_keep, of_flush, of_both]) in [
            (Normal, [Commit, Commit, End, End]),
            (Failed, [Discard, Commit, End, End]),
            (Panicked, [Discard, Discard, End, End]),
            (Cancelled, [Discard, Discard, End, End]),
        ] {
            for (intent, expected) in
                [(&nothing, of_nothing), (&keep, of_keep), (&flush, of_flush), (&both, of_both)]
            {
                // A new id and another expiry come or go with the changes.
                for cycle_id in [false, true] {
                    for expiry in [None, Some(None)] {
                        let intent = Intent { cycle_id, expiry, ..intent.clone() };
                        assert_eq!(decide(outcome, &intent), expected, "{outcome:?} {intent:?}");
                    }
                }
            }
        }
    }
}
