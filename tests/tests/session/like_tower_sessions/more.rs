//! What may differ from tower-sessions' own layer, and by which clause.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    program::{End, Life, Op, Program, Request, Shows, Step, alone},
    stage::{After, Answer, Cookie, Look, Seen, SetCookie, Stored, Trace},
};

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

/// Where two traces differ.
pub(super) struct Scene<'a> {
    program: &'a Program,
    theirs: &'a Trace,
    ours: &'a Trace,
    /// The place in both.
    at: usize,
}

impl<'a> Scene<'a> {
    /// The request that did the last step, if one did.
    fn who(&self) -> Option<usize> {
        by(&self.theirs[self.at])
    }

    fn request(&self) -> Option<&'a Request> {
        self.who().map(|who| self.program.requests()[who])
    }

    /// The one that overlaps with it.
    fn other(&self) -> Option<usize> {
        let who = self.who()?;
        let mut first = 0;
        for step in &self.program.steps {
            match step {
                Step::Alone(_) => first += 1,
                Step::Both { .. } if (first..first + 2).contains(&who) => {
                    return Some(first + 1 + first - who);
                }
                Step::Both { .. } => first += 2,
                Step::Wait(_) => {}
            }
        }
        None
    }

    /// What a request has done so far.
    fn ops_of(&self, who: Option<usize>) -> impl Iterator<Item = &'a Op> + use<'a> {
        self.theirs[..=self.at].iter().filter_map(move |seen| match seen {
            Seen::Called { who: by, op, .. } if Some(*by) == who => Some(op),
            _ => None,
        })
    }

    /// Whether the request has done it.
    fn did(&self, is_it: impl Fn(&Op) -> bool) -> bool {
        self.ops_of(self.who()).any(is_it)
    }

    /// Whether the one that overlaps with it has done it.
    fn other_did(&self, is_it: impl Fn(&Op) -> bool) -> bool {
        self.ops_of(self.other()).any(is_it)
    }

    /// What both had after the last step.
    fn looks(&self) -> Option<[&'a Look; 2]> {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (Seen::Looked(theirs), Seen::Looked(ours)) => Some([theirs, ours]),
            _ => None,
        }
    }

    /// What ours had before the request, and the one that overlaps with it, began.
    fn before(&self) -> Option<&'a Look> {
        let both = [self.who(), self.other()];
        let is_theirs = |seen: &&Seen| by(seen).is_some_and(|who| both.contains(&Some(who)));
        let first = self.ours.iter().position(|seen| is_theirs(&seen))?;
        self.ours[..first].iter().rev().find_map(|seen| match seen {
            Seen::Looked(look) => Some(look),
            Seen::Called { .. } => None,
        })
    }

    /// Whether an id worked then.
    fn worked(&self, id: usize) -> bool {
        self.before().is_some_and(|before| before.sessions.contains_key(&id))
    }

    /// Whether the one that overlaps with the request has not ended yet.
    fn other_is_under_way(&self) -> bool {
        let has_ended = |seen: &Seen| matches!(seen, Seen::Looked(_)) && by(seen) == self.other();
        self.other().is_some() && !self.theirs[..=self.at].iter().any(has_ended)
    }

    /// Whether the request has done something before the one that overlaps with it ended.
    fn began_before_other_ended(&self) -> bool {
        let who = self.who();
        let first = self.theirs[..=self.at].iter().position(|seen| by(seen) == who);
        let end = self.theirs[..=self.at]
            .iter()
            .position(|seen| matches!(seen, Seen::Looked(_)) && by(seen) == self.other());
        end.is_none_or(|end| first.is_some_and(|first| first < end))
    }

    /// Whether the request shows an id that a request before it has changed, some seconds ago.
    fn shows_a_changed_id(&self) -> bool {
        let Some(Request { shows: Shows::Id(id), .. }) = self.request() else { return false };
        let recent = self.ours[..=self.at].iter().rev().take_while(|seen| match seen {
            Seen::Looked(look) => look.after != After::Wait,
            Seen::Called { .. } => true,
        });
        !self.worked(*id)
            && recent.into_iter().any(|seen| matches!(seen, Seen::Called { op: Op::CycleId, .. }))
    }

    /// Whether an id works after the last step, in ours.
    fn works(&self, id: usize) -> bool {
        self.looks().is_some_and(|[_, ours]| ours.sessions.contains_key(&id))
    }

    /// Whether the request's answer leaves nothing of it.
    fn failed(&self) -> bool {
        self.request().is_some_and(|request| match request.end {
            End::Answer(status) => status >= 500,
            End::Dropped => true,
        })
    }

    /// Whether ours still shows the cookie of a session that has expired, and theirs has none any more.
    fn shows_what_expired(&self) -> bool {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (
                Seen::Called { id: None, op, returned: theirs, .. },
                Seen::Called { id: Some(id), returned: ours, .. },
            ) => !self.worked(*id) && (theirs == ours || matches!(op, Op::IsEmpty | Op::Id)),
            _ => false,
        }
    }

    fn keys_of(&self, id: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let stored = self.looks().and_then(|[_, ours]| ours.sessions.get(&id));
        stored.into_iter().flat_map(|stored| stored.values.keys().map(String::as_str))
    }

    /// Whether ours answers a method with an error.
    fn is_refused(&self) -> bool {
        matches!(self.ours[self.at], Seen::Called { returned: Err("the store"), .. })
    }

    /// What ours answers the request.
    fn answer(&self) -> Option<&'a Answer> {
        let [_, ours] = self.looks()?;
        match &ours.after {
            After::Request { answer, .. } => answer.as_ref(),
            After::Wait => None,
        }
    }

    /// Whether ours answers the request without a cookie.
    fn sets_no_cookie(&self) -> bool {
        self.answer().is_some_and(|answer| answer.set_cookie.is_none())
    }

    /// Whether ours answers the request with one.
    fn sets_a_cookie(&self) -> bool {
        self.answer().and_then(|answer| answer.set_cookie.as_ref()).is_some_and(|cookie| !cookie.removes)
    }

    /// Whether a method returned the same, and only the id after it differs.
    fn is_only_another_id(&self) -> bool {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (
                Seen::Called { returned: theirs, id: Some(_), .. },
                Seen::Called { returned: ours, id: Some(_), .. },
            ) => theirs == ours,
            _ => false,
        }
    }

    /// Whether a method returned the same.
    fn returned_the_same(&self) -> bool {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (Seen::Called { returned: theirs, .. }, Seen::Called { returned: ours, .. }) => theirs == ours,
            _ => false,
        }
    }

    fn keys_that_differ(&self, id: usize) -> Vec<&'a str> {
        let Some([theirs, ours]) = self.looks().map(|looks| looks.map(|look| &look.sessions[&id].values))
        else {
            return vec![];
        };
        let keys: BTreeSet<_> = theirs.keys().chain(ours.keys()).map(String::as_str).collect();
        keys.into_iter().filter(|key| theirs.get(*key) != ours.get(*key)).collect()
    }

    /// The id that the request shows.
    fn shown(&self) -> Option<usize> {
        match self.request()?.shows {
            Shows::Own => self.before()?.cookie.as_ref().map(|cookie| cookie.id),
            Shows::Nothing => None,
            Shows::Id(id) => Some(id),
        }
    }

    /// Whether the browser's session has the same values in both, whatever its id.
    fn same_values_of_browser(&self) -> bool {
        let values = |look: &'a Look| {
            let cookie = look.cookie.as_ref()?;
            look.sessions.get(&cookie.id).map(|stored| &stored.values)
        };
        self.looks().is_some_and(|[theirs, ours]| values(theirs) == values(ours))
    }
}

fn by(seen: &Seen) -> Option<usize> {
    match seen {
        Seen::Called { who, .. } | Seen::Looked(Look { after: After::Request { who, .. }, .. }) => Some(*who),
        Seen::Looked(_) => None,
    }
}

fn ends(op: &Op) -> bool {
    matches!(op, Op::Flush | Op::Delete)
}

/// Whether the id works no more after it.
fn is_end(op: &Op) -> bool {
    ends(op) || *op == Op::CycleId
}

fn saves(op: &Op) -> bool {
    matches!(op, Op::Save | Op::SaveFails)
}

fn inserts(op: &Op) -> bool {
    matches!(op, Op::Insert(..) | Op::InsertValue(..))
}

fn sets_expiry(op: &Op) -> bool {
    matches!(op, Op::SetExpiry(_))
}

fn writes(op: &Op) -> bool {
    let reads = matches!(
        op,
        Op::Get(_) | Op::GetValue(_) | Op::IsEmpty | Op::IsModified | Op::Id | Op::Expiry | Op::Load
    );
    !reads
}

/// What is promised beyond tower-sessions' own layer.
pub(super) struct More {
    pub(super) name: &'static str,
    /// That promises it.
    pub(super) clause: u8,
    /// Whether what follows can still be compared.
    pub(super) goes_on: bool,
    pub(super) allows: fn(&Scene<'_>, &Difference) -> bool,
    /// A program that meets it.
    pub(super) example: fn() -> Program,
}

pub(super) const MORE: [More; 21] = [
    More {
        name: "the cookie outlives the inactivity, for events keep a session alive and cannot renew it",
        clause: 11,
        goes_on: true,
        allows: |scene, difference| {
            const LONG: i64 = 300 * 24 * 3600;
            match difference {
                Difference::CookieLife { theirs: Some(_), ours } => ours.is_some_and(|ours| ours > LONG),
                // Its session has expired; until it is asked for, that is not known.
                Difference::Returned => scene.shows_what_expired(),
                _ => false,
            }
        },
        example: || Program::new([alone([Op::Insert("user", json!(1))])]).expiring(Life::Inactivity(30)),
    },
    More {
        name: "reading creates nothing: neither always_save nor an expiry begins a session in place of one that is gone",
        clause: 2,
        goes_on: false,
        allows: |scene, difference| {
            let shows_dead = scene.shown().is_some_and(|id| !scene.worked(id));
            let is_empty = |id: &usize| {
                let theirs = scene.looks().and_then(|[theirs, _]| theirs.sessions.get(id));
                theirs.is_some_and(|stored| stored.values.is_empty())
            };
            let sets_expiry_alone = scene.did(sets_expiry) && !scene.did(|op| writes(op) && !sets_expiry(op));
            (scene.program.always_save || sets_expiry_alone)
                && shows_dead
                && match difference {
                    Difference::Cookie { theirs: Some(id), .. } | Difference::Alive { id, ours: false } => {
                        is_empty(id)
                    }
                    _ => false,
                }
        },
        example: || {
            let steps = [alone([Op::Insert("user", json!(1))]), Step::Wait(15 * 24 * 3600), alone([])];
            Program::new(steps).always_saving()
        },
    },
    More {
        name: "only the ending response removes the cookie",
        clause: 11,
        goes_on: true,
        allows: |scene, difference| {
            let Difference::Cookie { theirs: None, ours: Some(id) } = difference else { return false };
            let other_ends = scene.other_did(|op| is_end(op) || is_in_the_past(op));
            let ends_it = scene.worked(*id) && scene.did(ends) && !other_ends;
            !scene.works(*id) && !ends_it && !scene.sets_a_cookie()
        },
        example: || {
            let steps =
                [alone([Op::Insert("user", json!(1))]), Step::Wait(15 * 24 * 3600), alone([Op::Get("user")])];
            Program::new(steps)
        },
    },
    More {
        name: "what `save` said is saved can be loaded again, by the cookie that comes with it",
        clause: 6,
        goes_on: false,
        allows: |scene, difference| {
            scene.did(saves)
                && match difference {
                    Difference::Cookie { ours: Some(id), .. } => !scene.worked(*id) && scene.works(*id),
                    Difference::CookieLife { .. } => scene.failed() && scene.did(sets_expiry),
                    _ => false,
                }
        },
        example: || Program::new([alone([Op::Save])]),
    },
    More {
        name: "`delete` is the end: its response removes the cookie, and a save after it brings nothing back",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            let has_ended = |id: usize| scene.worked(id) && !scene.works(id);
            scene.did(|op| *op == Op::Delete)
                && match difference {
                    Difference::Cookie { theirs: Some(_), ours: None }
                        if scene.shown().is_some_and(has_ended) =>
                    {
                        true
                    }
                    Difference::Cookie { theirs: Some(id), .. } | Difference::Alive { id, ours: false } => {
                        !scene.works(*id)
                    }
                    Difference::Returned => {
                        scene.is_only_another_id() || scene.other().is_some() || scene.is_refused()
                    }
                    _ => false,
                }
        },
        example: || Program::new([alone([Op::Insert("user", json!(1)), Op::Save, Op::Delete])]),
    },
    More {
        name: "who writes after `delete`, which brings nothing back, is told so",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            let mut ops = scene.ops_of(scene.who()).skip_while(|op| **op != Op::Delete);
            matches!(difference, Difference::Status { ours: 409, .. }) && ops.any(inserts)
        },
        example: || {
            let ops = [Op::GetValue("user"), Op::Delete, Op::Insert("user", json!(2))];
            Program::new([alone([Op::Insert("user", json!(1))]), alone(ops)])
        },
    },
    More {
        name: "an end is carried out, and its cookie removed, however its request ends",
        clause: 5,
        goes_on: false,
        allows: |scene, difference| {
            let mut ops = scene.ops_of(scene.who()).skip_while(|op| **op != Op::Flush);
            scene.failed()
                && ops.any(writes)
                && scene.shown().is_some_and(|id| scene.worked(id) && !scene.works(id))
                && matches!(difference, Difference::Cookie { theirs: Some(_), ours: None })
        },
        example: || {
            let ops = [Op::Flush, Op::Insert("user", json!(1))];
            Program::new([
                alone([Op::Insert("user", json!(1))]),
                Step::Both {
                    first: Request::new([Op::Insert("cart", json!(1))]).showing(Shows::Nothing),
                    second: Request::new(ops).ending(End::Answer(500)),
                    turns: vec![],
                },
            ])
        },
    },
    More {
        name: "what begins after `flush` has an id of its own",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            if *difference == Difference::Returned {
                return scene.did(|op| *op == Op::Flush) && scene.is_only_another_id();
            }
            scene.did(|op| *op == Op::Flush)
                && scene.same_values_of_browser()
                && match difference {
                    Difference::Cookie { theirs: Some(id), .. } | Difference::Alive { id, ours: false } => {
                        !scene.works(*id)
                    }
                    Difference::Alive { id, ours: true } => scene
                        .looks()
                        .and_then(|[_, ours]| ours.cookie.as_ref())
                        .is_some_and(|cookie| cookie.id == *id),
                    _ => false,
                }
        },
        example: || {
            Program::new([
                alone([Op::Insert("user", json!(1))]),
                alone([Op::Flush, Op::Insert("user", json!(2))]),
            ])
        },
    },
    More {
        name: "after `cycle_id` a save waits for the outcome of the request",
        clause: 10,
        goes_on: false,
        allows: |scene, difference| {
            let saves_after = {
                let mut ops = scene.ops_of(scene.who()).skip_while(|op| **op != Op::CycleId);
                ops.any(saves)
            };
            // The second of two changes changes an id that nobody was shown.
            let second = scene.ops_of(scene.who()).filter(|op| **op == Op::CycleId).count() > 1;
            saves_after
                && match difference {
                    Difference::Returned => {
                        matches!(scene.theirs[scene.at], Seen::Called { op: Op::SaveFails, .. })
                            || second && scene.is_only_another_id()
                    }
                    Difference::Cookie { ours: Some(_), .. } | Difference::Alive { .. } => {
                        second && scene.same_values_of_browser()
                    }
                    _ => false,
                }
        },
        example: || {
            let cycles = [Op::CycleId, Op::SaveFails];
            Program::new([alone([Op::Insert("user", json!(1))]), alone(cycles)])
        },
    },
    More {
        name: "an expiry that was set stays until another is set",
        clause: 7,
        goes_on: false,
        allows: |scene, difference| {
            let earlier = scene.theirs[..scene.at].iter().any(|seen| {
                matches!(seen, Seen::Called { op: Op::SetExpiry(_), who, .. } if Some(*who) != scene.who())
            });
            earlier
                && match difference {
                    Difference::CookieLife { .. } | Difference::Life { .. } => {
                        // One that is what the request had read changes nothing.
                        let other_saves = scene.other_is_under_way() && scene.other_did(saves);
                        !scene.did(sets_expiry)
                            || scene.failed()
                            || scene.other_did(sets_expiry)
                            || other_saves
                    }
                    // Once it is read, the `Session` has been given that expiry.
                    Difference::Returned => {
                        matches!(scene.theirs[scene.at], Seen::Called { op: Op::Expiry | Op::IsModified, .. })
                    }
                    _ => false,
                }
        },
        example: || {
            Program::new([
                alone([Op::Insert("user", json!(1)), Op::SetExpiry(Some(Life::At(60)))]),
                alone([Op::Insert("user", json!(2))]),
            ])
        },
    },
    More {
        name: "a request that fails or is dropped keeps the session that it changed the id of",
        clause: 10,
        goes_on: false,
        allows: |scene, difference| {
            let before = |id: &usize| scene.worked(*id) || scene.did(saves);
            scene.failed()
                && scene.did(|op| *op == Op::CycleId)
                && match difference {
                    Difference::Alive { id, ours: true } | Difference::Cookie { ours: Some(id), .. } => {
                        before(id)
                    }
                    // Under which tower-sessions has saved it, and of which it told nobody.
                    Difference::Alive { id, ours: false } => !scene.worked(*id),
                    _ => false,
                }
        },
        example: || {
            let fails = Request::new([Op::CycleId]).ending(End::Answer(500));
            Program::new([alone([Op::Insert("user", json!(1))]), Step::Alone(fails)])
        },
    },
    More {
        name: "a new id and an end take effect when their request ends",
        clause: 10,
        goes_on: true,
        allows: |scene, difference| {
            scene.other_is_under_way()
                && scene.other_did(is_end)
                && matches!(difference, Difference::Alive { .. })
        },
        example: || Program::new([alone([Op::Insert("user", json!(1))]), both([true], [], [Op::Flush])]),
    },
    More {
        name: "who reads beside an end that is under way still finds the session",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            scene.began_before_other_ended()
                && scene.other_did(is_end)
                && !matches!(difference, Difference::CookieAttributes | Difference::CookieLife { .. })
                && (scene.other_is_under_way() || *difference == Difference::Returned)
        },
        example: || {
            Program::new([
                alone([Op::Insert("user", json!(1))]),
                both([true, false], [Op::GetValue("user")], [Op::Flush]),
            ])
        },
    },
    More {
        name: "who saves to a session that has ended or changed its id is told, and brings nothing back",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            scene.other().is_some()
                && (scene.did(is_end) || scene.other_did(|op| is_end(op) || is_in_the_past(op)))
                && match difference {
                    Difference::Status { ours: 409, .. } => true,
                    Difference::Returned => scene.is_refused(),
                    Difference::Alive { id, ours: false } | Difference::Cookie { theirs: Some(id), .. } => {
                        !scene.works(*id)
                    }
                    // Of the cookie of what has ended, whose end was told to nobody.
                    Difference::CookieLife { .. } => scene.did(sets_expiry) && scene.sets_no_cookie(),
                    _ => false,
                }
        },
        example: || {
            Program::new([
                alone([Op::Insert("user", json!(1))]),
                both([false, true, true], [Op::Insert("user", json!(2))], [Op::Flush]),
            ])
        },
    },
    More {
        name: "for some seconds who shows a changed id cannot write, is told so, and is given no cookie",
        clause: 10,
        goes_on: false,
        allows: |scene, difference| {
            scene.shows_a_changed_id()
                && match difference {
                    Difference::Status { ours: 409, .. } => scene.did(writes),
                    Difference::Returned => scene.did(writes) && scene.is_refused(),
                    Difference::Cookie { theirs: Some(_), .. } => scene.sets_no_cookie(),
                    Difference::Alive { id, ours: false } => !scene.worked(*id),
                    _ => false,
                }
        },
        example: || {
            let late = Request::new([Op::Insert("user", json!(2))]).showing(Shows::Id(0));
            Program::new([alone([Op::Insert("user", json!(1))]), alone([Op::CycleId]), Step::Alone(late)])
        },
    },
    More {
        name: "a save writes the keys that its request changed, and undoes nothing of who saved meanwhile",
        clause: 7,
        goes_on: false,
        allows: |scene, difference| {
            let writes = |key: &str, op: &Op| *op == Op::Clear || key_written(op) == Some(key);
            let written = |key: &str| {
                // The other one's save, before this one ended, undid it.
                let undone = scene.other_did(saves) && scene.did(|op| writes(key, op));
                undone || scene.other_did(|op| writes(key, op))
            };
            match difference {
                Difference::Values { id } => scene.keys_that_differ(*id).iter().all(|key| written(key)),
                // The session has values, which tower-sessions' copy of it had not.
                Difference::Alive { id, ours: true } | Difference::Cookie { ours: Some(id), .. } => {
                    scene.did(|op| *op == Op::CycleId) && scene.keys_of(*id).any(written)
                }
                Difference::Returned => match &scene.theirs[scene.at] {
                    Seen::Called { op, .. } => key_of(op).is_some_and(written),
                    Seen::Looked(_) => false,
                },
                _ => false,
            }
        },
        example: || {
            let (first, second) = ([Op::Insert("user", json!(1))], [Op::Insert("cart", json!(2))]);
            Program::new([
                alone([Op::Insert("is_admin", json!(1))]),
                both([false, true, false], first, second),
            ])
        },
    },
    More {
        name: "an id under which nothing is stored is never adopted",
        clause: 12,
        goes_on: false,
        allows: |scene, difference| {
            let Some(shown) = scene.shown().filter(|id| !scene.works(*id)) else { return false };
            // Unread, a `Session` that is cleared goes on under the id that it was shown.
            scene.did(|op| *op == Op::Clear)
                && match difference {
                    Difference::Returned => !scene.is_refused() || scene.returned_the_same(),
                    // Where nothing is shown any more, a load reads nothing, and forgets nothing.
                    Difference::Cookie { theirs: Some(id), .. } | Difference::Alive { id, ours: false } => {
                        *id == shown || !scene.worked(*id) && scene.did(|op| *op == Op::Load)
                    }
                    Difference::Alive { id, ours: true } => !scene.worked(*id),
                    // The id's, to which it has given another expiry.
                    Difference::CookieLife { .. } => scene.did(sets_expiry),
                    _ => false,
                }
        },
        example: || {
            let clears = alone([Op::Clear, Op::Insert("cart", json!(1))]);
            Program::new([alone([Op::Insert("user", json!(1))]), Step::Wait(15 * 24 * 3600), clears])
        },
    },
    More {
        name: "no response removes the cookie of a session that it is not about",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| match difference {
            Difference::Cookie { theirs: None, ours: Some(id) } => {
                scene.works(*id) && scene.shown() != Some(*id)
            }
            _ => false,
        },
        example: || {
            let steps =
                [alone([Op::Insert("user", json!(1))]), both([], [Op::CycleId], [Op::RemoveValue("user")])];
            Program::new(steps)
        },
    },
    More {
        name: "a save sets the cookie only where its id or its life is new: none overwrites that of another session",
        clause: 10,
        goes_on: false,
        allows: |scene, difference| match difference {
            // Without one there, somebody else than the browser has shown it.
            Difference::Cookie { theirs: Some(theirs), ours } => {
                ours.is_none_or(|ours| scene.works(ours))
                    && scene.works(*theirs)
                    && scene.shown() == Some(*theirs)
                    && scene.sets_no_cookie()
            }
            _ => false,
        },
        example: || {
            Program::new([
                alone([Op::Insert("user", json!(1))]),
                Step::Both {
                    first: Request::new([Op::Insert("user", json!(2))]).showing(Shows::Nothing),
                    second: Request::new([Op::Insert("user", json!(3))]),
                    turns: vec![],
                },
            ])
        },
    },
    More {
        name: "a session that has expired is not saved to again",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            let mut ops = scene.ops_of(scene.who()).skip_while(|op| !is_in_the_past(op));
            ops.any(saves)
                && match difference {
                    Difference::Status { ours: 409, .. } => true,
                    Difference::Returned => scene.is_refused(),
                    Difference::Cookie { ours, .. } => ours.is_none(),
                    Difference::Alive { ours, .. } => !ours,
                    _ => false,
                }
        },
        example: || {
            let ends = [Op::SetExpiry(Some(Life::At(-5))), Op::Save, Op::Insert("user", json!(1)), Op::Save];
            Program::new([alone(ends)])
        },
    },
    More {
        name: "what changes nothing only renews the life, and that once in a touch interval",
        clause: 11,
        goes_on: true,
        allows: |scene, difference| match difference {
            Difference::Life { theirs, ours, .. } => (0..=60).contains(&(theirs - ours)),
            // A write that does not take place cannot fail.
            Difference::Returned => {
                matches!(scene.theirs[scene.at], Seen::Called { op: Op::SaveFails, .. })
                    && !scene.is_refused()
            }
            _ => false,
        },
        example: || {
            let steps =
                [alone([Op::Insert("user", json!(1))]), Step::Wait(40), alone([Op::RemoveValue("cart")])];
            Program::new(steps)
        },
    },
];

fn is_in_the_past(op: &Op) -> bool {
    matches!(op, Op::SetExpiry(Some(Life::At(..0))))
}

/// Two requests at once, in this order.
fn both<const N: usize>(turns: [bool; N], first: impl Into<Vec<Op>>, second: impl Into<Vec<Op>>) -> Step {
    Step::Both { first: Request::new(first), second: Request::new(second), turns: turns.to_vec() }
}

/// The key that a method is about.
fn key_of(op: &Op) -> Option<&'static str> {
    match op {
        Op::Get(key) | Op::GetValue(key) => Some(key),
        _ => key_written(op),
    }
}

/// The key that a method writes.
fn key_written(op: &Op) -> Option<&'static str> {
    match op {
        Op::Insert(key, _) | Op::InsertValue(key, _) | Op::Remove(key) | Op::RemoveValue(key) => Some(key),
        _ => None,
    }
}

/// Compares a program's traces as far as they can be compared. `Ok`: the names of what is allowed; else what is not.
pub(super) fn compare(program: &Program, theirs: &Trace, ours: &Trace) -> Result<Vec<&'static str>, String> {
    let mut allowed = Vec::new();
    for (at, (one, other)) in theirs.iter().zip(ours).enumerate() {
        let scene = Scene { program, theirs, ours, at };
        let mut goes_on = true;
        for difference in differences(one, other) {
            let Some(more) = MORE.iter().find(|more| (more.allows)(&scene, &difference)) else {
                return Err(format!("{difference:?}:\n  tower-sessions: {one}\n  ours:           {other}"));
            };
            allowed.push(more.name);
            goes_on &= more.goes_on;
        }
        if !goes_on {
            break;
        }
    }
    Ok(allowed)
}
