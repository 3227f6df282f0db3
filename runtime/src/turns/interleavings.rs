//! Every interleaving of a few calls, explored. All that calls share is under one mutex, and each step of a call (to
//! join, to look whether its turn has come, to leave) is one critical section; a wake-up follows outside of it, and
//! may come late. So the schedules of these steps, with wake-ups as steps of their own, are all that threads can do.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{Limits, Mode, Ticket, Turns};
use crate::session::id::SessionId;

const LIMITS: Limits = Limits { wait: Duration::from_secs(30), hold: Duration::from_secs(30), waiters: 8 };

type Plan = &'static [(&'static str, Mode)];

const A: (&str, Mode) = ("a", Mode::Write);
const B: (&str, Mode) = ("b", Mode::Write);
const READ_A: (&str, Mode) = ("a", Mode::Read);

/// What a call does, and whether it may be dropped while it waits.
#[derive(Clone, Copy)]
struct Script {
    plan: Plan,
    cancels: bool,
}

const fn stays(plan: Plan) -> Script {
    Script { plan, cancels: false }
}

const fn may_leave(plan: Plan) -> Script {
    Script { plan, cancels: true }
}

enum State {
    Begins,
    Waits {
        ticket: Ticket,
        looks: bool,
    },
    /// The ticket is kept, and dropped with it.
    Holds {
        _ticket: Ticket,
    },
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Join(usize),
    Look(usize),
    Leave(usize),
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
                State::Begins => steps.push(Step::Join(call)),
                State::Waits { looks, .. } => {
                    steps.extend(looks.then_some(Step::Look(call)));
                    steps.extend(self.scripts[call].cancels.then_some(Step::Leave(call)));
                }
                State::Holds { .. } => steps.push(Step::Leave(call)),
                State::Gone => {}
            }
        }
        let mut sent = self.sent.lock().clone();
        sent.sort_unstable();
        sent.dedup();
        steps.extend(sent.into_iter().map(Step::Wake));
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join(call) => {
                let ticket = self.turns.join(self.session, self.scripts[call].plan, LIMITS).unwrap();
                self.states[call] = State::Waits { ticket, looks: true };
            }
            Step::Look(call) => {
                let State::Waits { ticket, looks } = &mut self.states[call] else { unreachable!() };
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
                    self.states[call] = State::Holds { _ticket: ticket };
                    self.nobody_is_in_the_way_of(call);
                }
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
    &[stays(&[A]), stays(&[B]), stays(&[A, B]), stays(&[READ_A])],
];

#[test]
fn every_interleaving_ends_with_everybody_served() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    for scripts in SCENES {
        let schedules = explore(scripts);
        println!("{schedules} schedules of {} calls", scripts.len());
        assert!(schedules > 10, "explored: {schedules}");
    }
}
