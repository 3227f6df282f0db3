//! The queues against a model, and under many threads: no order of calls, and no number of them, stops them.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;

/// Plans whose queues overlap in every order; joined one after the other they would deadlock.
const PLANS: [Plan; 5] = [
    &[(A, Mode::Write), (B, Mode::Write)],
    &[(B, Mode::Write), (A, Mode::Write)],
    &[(A, Mode::Write), (C, Mode::Write)],
    &[(B, Mode::Write)],
    &[(A, Mode::Read), (C, Mode::Write)],
];

#[test]
fn many_turns_over_several_queues_all_finish_first_come_first_served() {
    const TASKS: u64 = 40;
    let turns_of_a_task = if is_long() { 1_000_000 } else { 100_000 } / TASKS;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let (turns, session) = turns();
    // The order of joining, by a counter that is read and raised under the queues' own mutex, for writers of B.
    let arrivals = Arc::new(Mutex::new(0_u64));
    let served = Arc::new(AtomicU64::new(0));
    let finished = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (turns, arrivals) = (Arc::clone(&turns), Arc::clone(&arrivals));
                let (served, finished) = (Arc::clone(&served), Arc::clone(&finished));
                tokio::spawn(async move {
                    for turn in 0..turns_of_a_task {
                        let plan = PLANS[usize::try_from((task + turn) % 5).unwrap()];
                        let counts = plan.iter().any(|(key, _)| *key == B);
                        let (ticket, number) = if counts {
                            let mut arrivals = arrivals.lock();
                            *arrivals += 1;
                            (join(&turns, session, plan), *arrivals)
                        } else {
                            (join(&turns, session, plan), 0)
                        };
                        let held = ticket.turn().await.unwrap();
                        if counts {
                            assert_eq!(served.fetch_add(1, Ordering::Relaxed) + 1, number);
                        }
                        if turn % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                        drop(held);
                        finished.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(finished.load(Ordering::Relaxed), usize::try_from(TASKS * turns_of_a_task).unwrap());
    assert_eq!(turns.sessions(), 0);
}

#[test]
fn sessions_touched_once_leave_no_queues() {
    let turns = Arc::new(Turns::new());
    for _ in 0..if is_long() { 1_000_000 } else { 100_000 } {
        drop(join(&turns, SessionId::random(), WRITE_A));
    }
    assert_eq!(turns.sessions(), 0);
}

/// What the queues must do, said in the simplest way: a call has its turn when no earlier call that still has a
/// place is in its way.
#[derive(Default)]
struct Model {
    calls: Vec<(usize, Vec<(&'static str, Mode)>)>,
    granted: Vec<usize>,
    aside: Vec<usize>,
}

impl Model {
    fn may_go(&self, id: usize) -> bool {
        let own = &self.calls.iter().find(|(call, _)| *call == id).unwrap().1;
        let counts = |call: usize| self.granted.contains(&call) || (call < id && !self.aside.contains(&call));
        let others = self.calls.iter().filter(|(call, _)| *call != id && counts(*call));
        !others.flat_map(|(_, plan)| plan).any(|(key, mode)| {
            own.iter().any(|(mine, how)| mine == key && (*mode == Mode::Write || *how == Mode::Write))
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    ReleaseReads(usize),
    /// It is not polled any more, or again.
    Sleep(usize),
    Awake(usize),
    /// Those are set aside that sleep although their turn has come.
    SetAside,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..6_usize).prop_map(Step::Join),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::Leave(index.index(8))),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::ReleaseReads(index.index(8))),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::Sleep(index.index(8))),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::Awake(index.index(8))),
        1 => Just(Step::SetAside),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Any sequence of joining, leaving (granted or not), giving up reads and being set aside gives turns to whom the
    /// model does.
    #[test]
    fn the_queues_do_what_the_model_says(steps in steps()) {
        let plans: [Plan; 6] = [READ_A, PLANS[0], PLANS[1], PLANS[2], PLANS[3], PLANS[4]];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let (turns, session) = turns();
        let mut model = Model::default();
        let mut tickets: Vec<(usize, Ticket)> = Vec::new();
        let mut asleep: Vec<usize> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Join(plan) => {
                    tickets.push((id, keep(&turns, session, plans[plan])));
                    model.calls.push((id, plans[plan].to_vec()));
                }
                Step::Leave(at) if at < tickets.len() => {
                    let (id, ticket) = tickets.remove(at);
                    drop(ticket);
                    model.calls.retain(|(call, _)| *call != id);
                }
                Step::ReleaseReads(at) if at < tickets.len() && model.granted.contains(&tickets[at].0) => {
                    let (id, ticket) = &tickets[at];
                    ticket.with(|session, after| {
                        session.leave(ticket.call, |mode| mode == Mode::Read, after);
                    });
                    let (_, plan) = model.calls.iter_mut().find(|(call, _)| call == id).unwrap();
                    plan.retain(|(_, mode)| *mode == Mode::Write);
                }
                Step::Sleep(at) if at < tickets.len() => asleep.push(tickets[at].0),
                Step::Awake(at) if at < tickets.len() => asleep.retain(|id| *id != tickets[at].0),
                Step::SetAside => {
                    for (id, ticket) in &tickets {
                        let takes_nothing = asleep.contains(id) && !model.granted.contains(id);
                        if takes_nothing && !model.aside.contains(id) && model.may_go(*id) {
                            ticket.with(|session, after| session.put_aside(ticket.call, after));
                            model.aside.push(*id);
                        }
                    }
                }
                Step::Leave(_) | Step::ReleaseReads(_) | Step::Sleep(_) | Step::Awake(_) => {}
            }
            for (id, ticket) in tickets.iter().filter(|(id, _)| !asleep.contains(id)) {
                model.aside.retain(|call| call != id);
                let expected = model.granted.contains(id) || model.may_go(*id);
                prop_assert_eq!(has_come(ticket), expected, "call {}", id);
                if expected && !model.granted.contains(id) {
                    model.granted.push(*id);
                }
            }
            let offered: Vec<_> = tickets
                .iter()
                .filter(|(_, ticket)| ticket.with(|session, _| session.offers.iter().any(|offer| offer.call == ticket.call)))
                .map(|(id, _)| *id)
                .collect();
            let untaken = |id: &usize| {
                !model.granted.contains(id) && !model.aside.contains(id) && model.may_go(*id)
            };
            let ids = tickets.iter().map(|(id, _)| *id);
            prop_assert_eq!(offered, ids.filter(untaken).collect::<Vec<_>>(), "offered");
        }
        drop(tickets);
        prop_assert_eq!(turns.sessions(), 0);
    }
}
