//! What may differ from tower-sessions' own layer, and by which clause.

use serde_json::json;

use super::{
    differences::{Difference, differences},
    program::{End, Life, Op, Program, Request, Shows, Step, alone},
    scene::{Scene, ends, inserts, is_end, saves, sets_expiry, writes},
    stage::{Seen, Trace},
};

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

pub(super) const MORE: [More; 22] = [
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
                            || scene.saved_without_an_answer()
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
                // What is cleared unread has the layer's expiry.
                Difference::Life { .. } | Difference::CookieLife { .. } => {
                    scene.did(saves) && scene.did(sets_expiry) && scene.other_did(|op| *op == Op::Clear)
                }
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
        name: "a life that cannot be renewed fails nothing, and is renewed by a later request",
        clause: 11,
        goes_on: false,
        allows: |scene, difference| {
            matches!(difference, Difference::Life { theirs, ours, .. } if theirs > ours)
                && scene.did(|op| *op == Op::SaveFails)
                && !scene.did(inserts)
        },
        example: || {
            let steps = [
                alone([Op::Insert("user", json!(1))]),
                Step::Wait(1200),
                alone([Op::SaveFails, Op::RemoveValue("cart")]),
            ];
            Program::new(steps)
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
