//! Every interleaving of a few calls, explored. All that calls share is under one mutex, and each step of a call (to
//! join, to look whether its turn has come, to leave) is one critical section; a wake-up follows outside of it, and
//! may come late. So the schedules of these steps, with wake-ups as steps of their own, are all that threads can do. That a
//! call is set aside is a step, too: it may come whenever a turn that has come is not taken.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{HeldTurns, Limits, Mode, Plan, Polled, Ticket, Turn, Turns, tests::is_long};
use crate::session::id::SessionId;

const LIMITS: Limits = Limits { wait: Duration::from_secs(30), hold: Duration::from_secs(30), waiters: 8 };

const A: (&str, Mode) = ("a", Mode::Write);
const B: (&str, Mode) = ("b", Mode::Write);
const READ_A: (&str, Mode) = ("a", Mode::Read);

/// What a call does.
#[derive(Clone, Copy)]
struct Script {
    plan: Plan,
    /// It may be dropped while it waits.
    cancels: bool,
    /// It may be set aside, once.
    sleeps: bool,
    /// It runs inside of this one.
    inside: Option<usize>,
}

const fn stays(plan: Plan) -> Script {
    Script { plan, cancels: false, sleeps: false, inside: None }
}

const fn may_leave(plan: Plan) -> Script {
    Script { cancels: true, ..stays(plan) }
}

const fn may_sleep(plan: Plan) -> Script {
    Script { sleeps: true, ..stays(plan) }
}

const fn inside(outer: usize, plan: Plan) -> Script {
    Script { inside: Some(outer), ..stays(plan) }
}

enum State {
    Begins,
    Waits { ticket: Ticket, looks: bool, slept: bool },
    Holds { turn: Turn },
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Join(usize),
    Look(usize),
    Leave(usize),
    SetAside(usize),
    /// A wake-up arrives.
    Wake(usize),
}

/// Wake-ups that are sent and have not arrived.
type Sent = Arc<Mutex<Vec<usize>>>;

struct SendsWake {
    call: usize,
    sent: Sent,
}

impl Wake for SendsWake {
    fn wake(self: Arc<Self>) {
        self.sent.lock().push(self.call);
    }
}

struct World {
    turns: Arc<Turns>,
    session: SessionId,
    scripts: &'static [Script],
    states: Vec<State>,
    sent: Sent,
}

impl World {
    fn new(scripts: &'static [Script]) -> Self {
        let states = scripts.iter().map(|_| State::Begins).collect();
        let (turns, session) = (Arc::new(Turns::new()), SessionId::random());
        Self { turns, session, scripts, states, sent: Sent::default() }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (call, state) in self.states.iter().enumerate() {
            match state {
                State::Begins => steps.extend(self.may_begin(call).then_some(Step::Join(call))),
                State::Waits { ticket, looks, slept } => {
                    let script = &self.scripts[call];
                    steps.extend(looks.then_some(Step::Look(call)));
                    steps.extend(script.cancels.then_some(Step::Leave(call)));
                    let has_offer = || {
                        ticket.with(|session, _| session.offers.iter().any(|offer| offer.call == ticket.call))
                    };
                    steps.extend((script.sleeps && !slept && has_offer()).then_some(Step::SetAside(call)));
                }
                State::Holds { .. } => steps.extend(self.may_end(call).then_some(Step::Leave(call))),
                State::Gone => {}
            }
        }
        let mut sent = self.sent.lock().clone();
        sent.sort_unstable();
        sent.dedup();
        steps.extend(sent.into_iter().map(Step::Wake));
        steps
    }

    /// A call inside of another one begins when that one has its turn.
    fn may_begin(&self, call: usize) -> bool {
        self.scripts[call].inside.is_none_or(|outer| matches!(self.states[outer], State::Holds { .. }))
    }

    /// It waits for those inside of it.
    fn may_end(&self, call: usize) -> bool {
        let inner = |(script, _): &(&Script, &State)| script.inside == Some(call);
        self.scripts.iter().zip(&self.states).filter(inner).all(|(_, state)| matches!(state, State::Gone))
    }

    fn join(&self, call: usize) -> Option<Ticket> {
        let mut held = HeldTurns::default();
        if let Some(State::Holds { turn }) = self.scripts[call].inside.map(|outer| &self.states[outer]) {
            held.add(turn);
        }
        let Script { plan, sleeps, .. } = self.scripts[call];
        let polled = if sleeps { Polled::ByItsCaller } else { Polled::ByItsTask };
        self.turns.join(self.session, plan, LIMITS, polled, &held).ok()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join(call) => {
                let waits = |ticket| State::Waits { ticket, looks: true, slept: false };
                self.states[call] = self.join(call).map_or(State::Gone, waits);
            }
            Step::Look(call) => {
                let State::Waits { ticket, looks, .. } = &mut self.states[call] else { unreachable!() };
                *looks = false;
                let waker = Waker::from(Arc::new(SendsWake { call, sent: Arc::clone(&self.sent) }));
                let mut granted = Box::pin(ticket.granted());
                let looked = Pin::as_mut(&mut granted).poll(&mut Context::from_waker(&waker));
                drop(granted);
                if looked == Poll::Ready(()) {
                    let State::Waits { ticket, .. } = std::mem::replace(&mut self.states[call], State::Gone)
                    else {
                        unreachable!()
                    };
                    let Ok(turn) = ticket.turn_now() else { panic!("it was granted") };
                    self.states[call] = State::Holds { turn };
                    self.nobody_is_in_the_way_of(call);
                }
            }
            Step::SetAside(call) => {
                let State::Waits { ticket, slept, .. } = &mut self.states[call] else { unreachable!() };
                *slept = true;
                ticket.with(|session, after| session.put_aside(ticket.call, after));
            }
            Step::Leave(call) => self.states[call] = State::Gone,
            Step::Wake(call) => {
                let mut sent = self.sent.lock();
                let at = sent.iter().position(|sent| *sent == call).unwrap();
                sent.remove(at);
                drop(sent);
                if let State::Waits { looks, .. } = &mut self.states[call] {
                    *looks = true;
                }
            }
        }
    }

    /// A writer of a state has it alone; readers have it without a writer.
    fn nobody_is_in_the_way_of(&self, call: usize) {
        for (other, state) in self.states.iter().enumerate() {
            let conflict = |(key, mode): &(&str, Mode)| {
                let in_conflict = |(theirs, how): &(&str, Mode)| {
                    theirs == key && (*mode == Mode::Write || *how == Mode::Write)
                };
                self.scripts[other].plan.iter().any(in_conflict)
            };
            if other != call && matches!(state, State::Holds { .. }) {
                assert!(!self.scripts[call].plan.iter().any(conflict), "{call} and {other} hold one state");
            }
        }
    }
}

/// Goes through all schedules, depth first; gives their number.
fn explore(scripts: &'static [Script]) -> usize {
    let mut choices: Vec<(usize, usize)> = Vec::new();
    let mut schedules = 0;
    loop {
        let mut world = World::new(scripts);
        let mut depth = 0;
        loop {
            let steps = world.steps();
            if steps.is_empty() {
                break;
            }
            if depth == choices.len() {
                choices.push((0, steps.len()));
            }
            world.take(steps[choices[depth].0]);
            depth += 1;
        }
        schedules += 1;
        let all_gone = world.states.iter().all(|state| matches!(state, State::Gone));
        assert!(all_gone, "somebody waits for ever: {choices:?}");
        assert_eq!(world.turns.sessions(), 0, "a queue is left: {choices:?}");
        while choices.last().is_some_and(|(taken, of)| taken + 1 == *of) {
            choices.pop();
        }
        match choices.last_mut() {
            Some((taken, _)) => *taken += 1,
            None => return schedules,
        }
    }
}

const SCENES: &[&[Script]] = &[
    &[stays(&[A]), stays(&[A]), may_leave(&[A])],
    &[stays(&[A, B]), stays(&[B, A])],
    &[stays(&[A, B]), may_leave(&[B, A]), stays(&[B])],
    &[stays(&[READ_A]), stays(&[A]), may_leave(&[READ_A])],
    &[stays(&[READ_A, B]), stays(&[A]), stays(&[B])],
    &[may_leave(&[A]), may_leave(&[A, B]), may_leave(&[READ_A])],
    &[may_sleep(&[A]), stays(&[A]), may_leave(&[A])],
    &[may_sleep(&[A, B]), may_sleep(&[A]), stays(&[B])],
    &[may_sleep(&[A]), stays(&[READ_A]), stays(&[READ_A])],
    &[may_sleep(&[READ_A, B]), may_sleep(&[A]), stays(&[A, B])],
    &[stays(&[A]), stays(&[B]), inside(0, &[B]), inside(1, &[A])],
    &[stays(&[A]), stays(&[A, B]), inside(0, &[B])],
    &[may_sleep(&[A, B]), stays(&[A]), inside(1, &[B])],
];

/// Half a million schedules: for `tests/soak`.
const LONG_SCENES: &[&[Script]] = &[&[stays(&[A]), stays(&[B]), stays(&[A, B]), stays(&[READ_A])]];

#[test]
fn every_interleaving_ends_with_everybody_served() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let long = if is_long() { LONG_SCENES } else { &[] };
    for scripts in SCENES.iter().chain(long) {
        let schedules = explore(scripts);
        println!("{schedules} schedules of {} calls", scripts.len());
        assert!(schedules > 10, "explored: {schedules}");
    }
}
