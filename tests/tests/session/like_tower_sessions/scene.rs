//! Where two traces differ, and what is asked of that place to know whether they may.

use std::collections::BTreeSet;

use super::{
    program::{End, Op, Program, Request, Shows, Step},
    stage::{After, Answer, Look, Seen, Trace},
};

/// Where two traces differ.
pub(super) struct Scene<'a> {
    pub(super) program: &'a Program,
    pub(super) theirs: &'a Trace,
    pub(super) ours: &'a Trace,
    /// The place in both.
    pub(super) at: usize,
}

impl<'a> Scene<'a> {
    /// The request that did the last step, if one did.
    pub(super) fn who(&self) -> Option<usize> {
        by(&self.theirs[self.at])
    }

    pub(super) fn request(&self) -> Option<&'a Request> {
        self.who().map(|who| self.program.requests()[who])
    }

    /// The one that overlaps with it.
    pub(super) fn other(&self) -> Option<usize> {
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
    pub(super) fn ops_of(&self, who: Option<usize>) -> impl Iterator<Item = &'a Op> + use<'a> {
        self.theirs[..=self.at].iter().filter_map(move |seen| match seen {
            Seen::Called { who: by, op, .. } if Some(*by) == who => Some(op),
            _ => None,
        })
    }

    /// Whether the request has done it.
    pub(super) fn did(&self, is_it: impl Fn(&Op) -> bool) -> bool {
        self.ops_of(self.who()).any(is_it)
    }

    /// Whether the one that overlaps with it has done it.
    pub(super) fn other_did(&self, is_it: impl Fn(&Op) -> bool) -> bool {
        self.ops_of(self.other()).any(is_it)
    }

    /// What both had after the last step.
    pub(super) fn looks(&self) -> Option<[&'a Look; 2]> {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (Seen::Looked(theirs), Seen::Looked(ours)) => Some([theirs, ours]),
            _ => None,
        }
    }

    /// What ours had before the request, and the one that overlaps with it, began.
    pub(super) fn before(&self) -> Option<&'a Look> {
        let both = [self.who(), self.other()];
        let is_theirs = |seen: &&Seen| by(seen).is_some_and(|who| both.contains(&Some(who)));
        let first = self.ours.iter().position(|seen| is_theirs(&seen))?;
        self.ours[..first].iter().rev().find_map(|seen| match seen {
            Seen::Looked(look) => Some(look),
            Seen::Called { .. } => None,
        })
    }

    /// Whether an id worked then.
    pub(super) fn worked(&self, id: usize) -> bool {
        self.before().is_some_and(|before| before.sessions.contains_key(&id))
    }

    /// Whether the one that overlaps with the request has not ended yet.
    pub(super) fn other_is_under_way(&self) -> bool {
        let has_ended = |seen: &Seen| matches!(seen, Seen::Looked(_)) && by(seen) == self.other();
        self.other().is_some() && !self.theirs[..=self.at].iter().any(has_ended)
    }

    /// Whether the request has done something before the one that overlaps with it ended.
    pub(super) fn began_before_other_ended(&self) -> bool {
        let who = self.who();
        let first = self.theirs[..=self.at].iter().position(|seen| by(seen) == who);
        let end = self.theirs[..=self.at]
            .iter()
            .position(|seen| matches!(seen, Seen::Looked(_)) && by(seen) == self.other());
        end.is_none_or(|end| first.is_some_and(|first| first < end))
    }

    /// Whether the request shows an id that a request before it has changed, some seconds ago.
    pub(super) fn shows_a_changed_id(&self) -> bool {
        let Some(Request { shows: Shows::Id(id), .. }) = self.request() else { return false };
        let recent = self.ours[..=self.at].iter().rev().take_while(|seen| match seen {
            Seen::Looked(look) => look.after != After::Wait,
            Seen::Called { .. } => true,
        });
        !self.worked(*id)
            && recent.into_iter().any(|seen| matches!(seen, Seen::Called { op: Op::CycleId, .. }))
    }

    /// Whether an id works after the last step, in ours.
    pub(super) fn works(&self, id: usize) -> bool {
        self.looks().is_some_and(|[_, ours]| ours.sessions.contains_key(&id))
    }

    /// Whether the request's answer leaves nothing of it.
    pub(super) fn failed(&self) -> bool {
        self.request().is_some_and(|request| match request.end {
            End::Answer(status) => status >= 500,
            End::Dropped => true,
        })
    }

    /// Whether a request has saved whose answer never came, so that the browser was not told of it.
    pub(super) fn saved_without_an_answer(&self) -> bool {
        self.theirs[..self.at].iter().any(|seen| match seen {
            Seen::Called { who, op, .. } => saves(op) && self.program.requests()[*who].end == End::Dropped,
            Seen::Looked(_) => false,
        })
    }

    /// Whether ours still shows the cookie of a session that has expired, and theirs has none any more.
    pub(super) fn shows_what_expired(&self) -> bool {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (
                Seen::Called { id: None, op, returned: theirs, .. },
                Seen::Called { id: Some(id), returned: ours, .. },
            ) => !self.worked(*id) && (theirs == ours || matches!(op, Op::IsEmpty | Op::Id)),
            _ => false,
        }
    }

    pub(super) fn keys_of(&self, id: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let stored = self.looks().and_then(|[_, ours]| ours.sessions.get(&id));
        stored.into_iter().flat_map(|stored| stored.values.keys().map(String::as_str))
    }

    /// Whether ours answers a method with an error.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.ours[self.at], Seen::Called { returned: Err("the store"), .. })
    }

    /// What ours answers the request.
    pub(super) fn answer(&self) -> Option<&'a Answer> {
        let [_, ours] = self.looks()?;
        match &ours.after {
            After::Request { answer, .. } => answer.as_ref(),
            After::Wait => None,
        }
    }

    /// Whether ours answers the request without a cookie.
    pub(super) fn sets_no_cookie(&self) -> bool {
        self.answer().is_some_and(|answer| answer.set_cookie.is_none())
    }

    /// Whether ours answers the request with one.
    pub(super) fn sets_a_cookie(&self) -> bool {
        self.answer().and_then(|answer| answer.set_cookie.as_ref()).is_some_and(|cookie| !cookie.removes)
    }

    /// Whether a method returned the same, and only the id after it differs.
    pub(super) fn is_only_another_id(&self) -> bool {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (
                Seen::Called { returned: theirs, id: Some(_), .. },
                Seen::Called { returned: ours, id: Some(_), .. },
            ) => theirs == ours,
            _ => false,
        }
    }

    /// Whether a method returned the same.
    pub(super) fn returned_the_same(&self) -> bool {
        match (&self.theirs[self.at], &self.ours[self.at]) {
            (Seen::Called { returned: theirs, .. }, Seen::Called { returned: ours, .. }) => theirs == ours,
            _ => false,
        }
    }

    pub(super) fn keys_that_differ(&self, id: usize) -> Vec<&'a str> {
        let Some([theirs, ours]) = self.looks().map(|looks| looks.map(|look| &look.sessions[&id].values))
        else {
            return vec![];
        };
        let keys: BTreeSet<_> = theirs.keys().chain(ours.keys()).map(String::as_str).collect();
        keys.into_iter().filter(|key| theirs.get(*key) != ours.get(*key)).collect()
    }

    /// The id that the request shows.
    pub(super) fn shown(&self) -> Option<usize> {
        match self.request()?.shows {
            Shows::Own => self.before()?.cookie.as_ref().map(|cookie| cookie.id),
            Shows::Nothing => None,
            Shows::Id(id) => Some(id),
        }
    }

    /// Whether the browser's session has the same values in both, whatever its id.
    pub(super) fn same_values_of_browser(&self) -> bool {
        let values = |look: &'a Look| {
            let cookie = look.cookie.as_ref()?;
            look.sessions.get(&cookie.id).map(|stored| &stored.values)
        };
        self.looks().is_some_and(|[theirs, ours]| values(theirs) == values(ours))
    }
}

pub(super) fn by(seen: &Seen) -> Option<usize> {
    match seen {
        Seen::Called { who, .. } | Seen::Looked(Look { after: After::Request { who, .. }, .. }) => Some(*who),
        Seen::Looked(_) => None,
    }
}

pub(super) fn ends(op: &Op) -> bool {
    matches!(op, Op::Flush | Op::Delete)
}

/// Whether the id works no more after it.
pub(super) fn is_end(op: &Op) -> bool {
    ends(op) || *op == Op::CycleId
}

pub(super) fn saves(op: &Op) -> bool {
    matches!(op, Op::Save | Op::SaveFails)
}

pub(super) fn inserts(op: &Op) -> bool {
    matches!(op, Op::Insert(..) | Op::InsertValue(..))
}

pub(super) fn sets_expiry(op: &Op) -> bool {
    matches!(op, Op::SetExpiry(_))
}

pub(super) fn writes(op: &Op) -> bool {
    let reads = matches!(
        op,
        Op::Get(_) | Op::GetValue(_) | Op::IsEmpty | Op::IsModified | Op::Id | Op::Expiry | Op::Load
    );
    !reads
}
