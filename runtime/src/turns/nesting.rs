//! Calls that run inside of other calls of their session: a handler behind an annotated middleware. The outer one goes
//! on when the inner one has ended, so the inner one must not wait for it: neither for a state that it holds, nor in a
//! circle. Such a call is told at once.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::{
    Mode, Plan, Turn,
    queues::{QueuedCall, Session},
};
use crate::{
    error::{Error, ErrorKind},
    session::id::{HiddenId, SessionId},
};

/// The turns that a call holds: its own, and those of the calls that it runs inside of.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldTurns(SmallVec<[HeldTurn; 1]>);

#[derive(Clone, Copy, Debug)]
struct HeldTurn {
    session: SessionId,
    call: u64,
}

/// The numbers of the calls that a call runs inside of, as far as they hold turns of its session.
pub(super) type Outer = SmallVec<[u64; 1]>;

impl HeldTurns {
    pub(crate) fn add(&mut self, turn: &Turn) {
        let (session, call) = turn.number();
        self.0.push(HeldTurn { session, call });
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is one of this session.
    pub(crate) fn any_of(&self, session: SessionId) -> bool {
        self.0.iter().any(|held| held.session == session)
    }

    /// The same of the session for which this stands.
    pub(crate) fn any_as(&self, session: HiddenId) -> bool {
        self.0.iter().any(|held| held.session.hidden() == session)
    }

    pub(super) fn of(&self, session: SessionId) -> Outer {
        self.0.iter().filter(|held| held.session == session).map(|held| held.call).collect()
    }
}

impl Session {
    /// An error if a call inside of others could never have its turn while they last.
    pub(super) fn refuse_circle(&self, plan: Plan, outer: &[u64]) -> Result<(), Error> {
        let wants_theirs = self.queues.iter().any(|queue| {
            let in_the_way = |place: &super::queues::Place| {
                let conflicts = |(key, mode): &(&str, Mode)| *key == queue.key && mode.excludes(place.mode);
                outer.contains(&place.call) && plan.iter().any(conflicts)
            };
            queue.places.iter().any(in_the_way)
        });
        if wants_theirs {
            return Err(Error::with_text(
                ErrorKind::NestedTurn,
                "a call that runs inside of another one of its session (a handler behind an annotated \
                 middleware) cannot wait for a state that the outer one holds: name the state in the attribute of \
                 one of the two only",
            ));
        }
        let mut waits = Waits::new(self);
        waits.add_those_before(self.next, plan, false);
        if waits.reach(outer) {
            return Err(Error::with_text(
                ErrorKind::NestedTurn,
                "a call that runs inside of another one of its session (a handler behind an annotated \
                 middleware) would wait for a call that waits for the outer one: take the states in the same order \
                 everywhere, or name all of them in the attribute of the outer one",
            ));
        }
        Ok(())
    }

    /// Whether a call that has its places waits for itself.
    pub(super) fn is_in_circle(&self, id: u64) -> bool {
        let mut waits = Waits::new(self);
        // Without calls inside of others whoever holds a turn waits for nobody.
        if waits.inner.is_empty() {
            return false;
        }
        waits.add_those_after(id);
        waits.reach(&[id])
    }
}

/// Follows who waits for whom.
struct Waits<'a> {
    session: &'a Session,
    /// The calls that run inside of others.
    inner: Vec<(u64, &'a QueuedCall)>,
    seen: HashSet<u64>,
    to_visit: Vec<u64>,
    /// The highest number up to which a queue was looked through, for a reader and for a writer.
    looked_through: Vec<(&'static str, Mode, u64)>,
}

impl<'a> Waits<'a> {
    fn new(session: &'a Session) -> Self {
        let inner = session.calls.iter().filter(|(_, call)| !call.outer.is_empty()).collect();
        let (seen, to_visit, looked_through) = Default::default();
        Self { session, inner, seen, to_visit, looked_through }
    }

    /// Whether those that were added wait for one of these, or are one.
    fn reach(&mut self, targets: &[u64]) -> bool {
        while let Some(id) = self.to_visit.pop() {
            if targets.contains(&id) {
                return true;
            }
            self.add_those_after(id);
        }
        false
    }

    /// Those for which a call waits.
    fn add_those_after(&mut self, id: u64) {
        let session = self.session;
        if let Some(call) = session.calls.get(id).filter(|call| call.phase.waits() && !call.is_firm()) {
            self.add_those_before(id, call.plan, call.aside);
        }
        for at in 0..self.inner.len() {
            let (inner, call) = self.inner[at];
            if call.outer.contains(&id) {
                self.add(inner);
            }
        }
    }

    /// Those before a call in its queues. One that is set aside will be behind those that hold a turn.
    fn add_those_before(&mut self, id: u64, plan: Plan, aside: bool) {
        let session = self.session;
        for &(key, mode) in plan {
            let known =
                |(of, as_one, up_to): &(&str, Mode, u64)| *of == key && *as_one == mode && *up_to >= id;
            let Some(queue) = session.queues.iter().find(|queue| queue.key == key) else { continue };
            if self.looked_through.iter().any(known) {
                continue;
            }
            for place in queue.places.iter().filter(|place| place.call != id && mode.excludes(place.mode)) {
                if (place.call < id && !aside) || session.is_firm(place.call) {
                    self.add(place.call);
                }
            }
            if !aside {
                self.looked_through.push((key, mode, id));
            }
        }
    }

    fn add(&mut self, id: u64) {
        if self.seen.insert(id) {
            self.to_visit.push(id);
        }
    }
}
