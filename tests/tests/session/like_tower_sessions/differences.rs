//! All that differs between what was seen at one place of two traces.

use std::collections::BTreeSet;

use super::stage::{After, Cookie, Look, Seen, SetCookie, Stored};

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Difference {
    /// What a method returned, or the `Session`'s id after it.
    Returned,
    Status {
        theirs: u16,
        ours: u16,
    },
    /// Which cookie the browser has.
    Cookie {
        theirs: Option<usize>,
        ours: Option<usize>,
    },
    /// For how long it keeps it.
    CookieLife {
        theirs: Option<i64>,
        ours: Option<i64>,
    },
    CookieAttributes,
    /// Whether an id still works.
    Alive {
        id: usize,
        ours: bool,
    },
    Values {
        id: usize,
    },
    Life {
        id: usize,
        theirs: i64,
        ours: i64,
    },
}

/// The clock runs on a little while a program runs.
const A_MOMENT: i64 = 8;

fn close(theirs: i64, ours: i64) -> bool {
    (theirs - ours).abs() <= A_MOMENT
}

/// All that differs between what was seen at one place of the two traces.
pub(super) fn differences(theirs: &Seen, ours: &Seen) -> Vec<Difference> {
    match (theirs, ours) {
        (Seen::Looked(theirs), Seen::Looked(ours)) => differences_of_looks(theirs, ours),
        _ if theirs == ours => vec![],
        _ => vec![Difference::Returned],
    }
}

fn differences_of_looks(theirs: &Look, ours: &Look) -> Vec<Difference> {
    let mut found = Vec::new();
    if let (After::Request { answer: Some(theirs), .. }, After::Request { answer: Some(ours), .. }) =
        (&theirs.after, &ours.after)
    {
        let (theirs_status, ours_status) = (theirs.status, ours.status);
        // Which error of the server it is, is each layer's own.
        if theirs_status != ours_status && theirs_status.min(ours_status) < 500 {
            found.push(Difference::Status { theirs: theirs_status, ours: ours_status });
        }
        if let (Some(theirs), Some(ours)) = (&theirs.set_cookie, &ours.set_cookie)
            && theirs.removes == ours.removes
            && attributes_that_count(theirs) != attributes_that_count(ours)
        {
            found.push(Difference::CookieAttributes);
        }
    }
    let ids = |look: &Look| look.cookie.as_ref().map(|cookie| cookie.id);
    if ids(theirs) != ids(ours) {
        found.push(Difference::Cookie { theirs: ids(theirs), ours: ids(ours) });
    } else if let (Some(theirs), Some(ours)) = (&theirs.cookie, &ours.cookie) {
        found.extend(difference_of_lives(theirs, ours));
    }
    let known = theirs.sessions.keys().chain(ours.sessions.keys());
    for id in known.copied().collect::<BTreeSet<_>>() {
        match (theirs.sessions.get(&id), ours.sessions.get(&id)) {
            (Some(theirs), Some(ours)) => found.extend(differences_of_sessions(id, theirs, ours)),
            (_, ours) => found.push(Difference::Alive { id, ours: ours.is_some() }),
        }
    }
    found
}

/// A cookie is removed by its name, its path and its domain.
fn attributes_that_count(set: &SetCookie) -> Vec<&str> {
    let counts = |attribute: &&String| {
        !set.removes || !["HttpOnly", "Secure", "SameSite=Lax"].contains(&attribute.as_str())
    };
    set.attributes.iter().filter(counts).map(String::as_str).collect()
}

fn difference_of_lives(theirs: &Cookie, ours: &Cookie) -> Option<Difference> {
    let same = match (theirs.life, ours.life) {
        (Some(theirs), Some(ours)) => close(theirs, ours),
        (theirs, ours) => theirs == ours,
    };
    (!same).then_some(Difference::CookieLife { theirs: theirs.life, ours: ours.life })
}

fn differences_of_sessions(id: usize, theirs: &Stored, ours: &Stored) -> Vec<Difference> {
    let mut found = Vec::new();
    if theirs.values != ours.values {
        found.push(Difference::Values { id });
    }
    if !close(theirs.life, ours.life) {
        found.push(Difference::Life { id, theirs: theirs.life, ours: ours.life });
    }
    found
}
