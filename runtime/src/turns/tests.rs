//! The queues by themselves: order, limits, cancellation at every point, and a million turns without a deadlock.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use proptest::prelude::*;

use tokio::time::Instant;

use super::{aside::PATIENCE, *};
use crate::{
    error::{Error, ErrorKind},
    session::id::SessionId,
};

const LIMITS: Limits =
    Limits { wait: Duration::from_secs(30), hold: Duration::from_secs(30), waiters: 100_000 };

const A: &str = "a";
const B: &str = "b";
const C: &str = "c";

const WRITE_A: Plan = &[(A, Mode::Write)];
const READ_A: Plan = &[(A, Mode::Read)];

fn turns() -> (Arc<Turns>, SessionId) {
    (Arc::new(Turns::new()), SessionId::random())
}

fn join(turns: &Arc<Turns>, session: SessionId, plan: Plan) -> Ticket {
    turns.join(session, plan, LIMITS, Polled::ByItsTask, &HeldTurns::default()).unwrap()
}

/// Of a call whose caller may keep it and not poll it.
fn keep(turns: &Arc<Turns>, session: SessionId, plan: Plan) -> Ticket {
    turns.join(session, plan, LIMITS, Polled::ByItsCaller, &HeldTurns::default()).unwrap()
}

/// As the alarm does at the end of its patience: all who do not take the turn that has come.
fn end_patience(turns: &Arc<Turns>) {
    let now = Instant::now();
    turns.look_after(now);
    turns.set_aside(now + PATIENCE);
}

/// Counts the leases that came back.
#[derive(Default)]
struct Home(AtomicUsize);

impl LeaseHome for Home {
    fn give_back(&self, _: SessionId, lease: Lease) {
        assert_eq!(lease, Lease(1));
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A turn with a lease, and where that came from.
async fn leased(ticket: Ticket) -> (Turn, Arc<Home>) {
    let mut turn = ticket.turn().await.unwrap();
    let home = Arc::new(Home::default());
    turn.hold_lease(Lease(1), || Arc::clone(&home) as _);
    (turn, home)
}

/// The lease that was passed on to a call with its turn.
async fn lease_of(ticket: Ticket) -> Option<Lease> {
    let turn = ticket.turn().await.unwrap();
    turn.lease_was_passed_on().then(|| turn.lease())
}

fn has_come(ticket: &Ticket) -> bool {
    ticket.grant(None, |_| ()).is_some()
}

#[tokio::test]
async fn writers_come_one_after_the_other_and_readers_together() {
    let (turns, session) = turns();
    let first = join(&turns, session, WRITE_A);
    let readers = [join(&turns, session, READ_A), join(&turns, session, READ_A)];
    let last = join(&turns, session, WRITE_A);
    assert!(has_come(&first));
    assert!(!readers.iter().any(has_come));
    drop(first);
    assert!(readers.iter().all(has_come));
    assert!(!has_come(&last));
    drop(readers);
    assert!(has_come(&last));
    drop(last);
    assert_eq!(turns.sessions(), 0);
}

#[tokio::test]
async fn a_reader_that_has_its_snapshot_holds_up_nobody() {
    let (turns, session) = turns();
    let both = join(&turns, session, &[(A, Mode::Read), (B, Mode::Write)]).turn().await.unwrap();
    let writer = join(&turns, session, WRITE_A);
    assert!(!has_come(&writer));
    both.release_reads();
    assert!(has_come(&writer));
    let behind = join(&turns, session, &[(B, Mode::Write)]);
    assert!(!has_come(&behind));
}

#[tokio::test]
async fn other_states_and_other_sessions_do_not_wait() {
    let (turns, session) = turns();
    let _held = join(&turns, session, WRITE_A).turn().await.unwrap();
    assert!(has_come(&join(&turns, session, &[(B, Mode::Write)])));
    assert!(has_come(&join(&turns, SessionId::random(), WRITE_A)));
}

#[tokio::test]
async fn a_queue_that_is_full_refuses() {
    let (turns, session) = turns();
    let limits = Limits { waiters: 2, ..LIMITS };
    let places: Vec<_> = (0..3)
        .map(|_| turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).unwrap())
        .collect();
    let refused =
        turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::TooManyWaiters);
    assert!(
        turns.join(session, &[(B, Mode::Write)], limits, Polled::ByItsTask, &HeldTurns::default()).is_ok(),
        "another state's queue is not full"
    );
    drop(places);
    assert!(turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_limit() {
    let (turns, session) = turns();
    let limits = Limits { wait: Duration::from_secs(5), ..LIMITS };
    let _held = join(&turns, session, WRITE_A).turn().await.unwrap();
    let began = Instant::now();
    let error = turns
        .join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default())
        .unwrap()
        .turn()
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::TurnTimeout);
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_turn_held_too_long_passes_on_and_cannot_commit() {
    let (turns, session) = turns();
    let limits = Limits { hold: Duration::from_secs(2), ..LIMITS };
    let slow = turns
        .join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default())
        .unwrap()
        .turn()
        .await
        .unwrap();
    let began = Instant::now();
    let next = turns
        .join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default())
        .unwrap()
        .turn()
        .await
        .unwrap();
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(slow.begin_commit(Instant::now()).unwrap_err().kind(), ErrorKind::TurnLost);
    next.begin_commit(Instant::now()).unwrap();
    drop(slow);
    assert_eq!(turns.sessions(), 1, "the late holder's end takes nothing from the next one");
}

#[tokio::test(start_paused = true)]
async fn a_commit_under_way_is_not_interrupted() {
    let (turns, session) = turns();
    let limits = Limits { hold: Duration::from_secs(2), wait: Duration::from_secs(10), ..LIMITS };
    let committing = turns
        .join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default())
        .unwrap()
        .turn()
        .await
        .unwrap();
    committing.begin_commit(Instant::now()).unwrap();
    let waiting =
        turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).unwrap().turn().await;
    assert_eq!(waiting.err().unwrap().kind(), ErrorKind::TurnTimeout);
}

#[tokio::test]
async fn a_waiter_dropped_after_any_number_of_polls_leaves_the_queue_whole() {
    for polls in 0..4 {
        for dropped in 0..3 {
            let (turns, session) = turns();
            let held = join(&turns, session, WRITE_A).turn().await.unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting: VecDeque<_> =
                (0..3).map(|_| Box::pin(join(&turns, session, WRITE_A).turn())).collect();
            for _ in 0..polls {
                assert!(waiting[dropped].as_mut().poll(&mut context).is_pending());
            }
            drop(waiting.remove(dropped));
            drop(held);
            for rest in waiting {
                drop(rest.await.unwrap());
            }
            assert_eq!(turns.sessions(), 0, "polls: {polls}, dropped: {dropped}");
        }
    }
}

#[test]
fn a_woken_waiter_that_is_dropped_hands_its_turn_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (turns, session) = turns();
    runtime.block_on(async {
        let held = join(&turns, session, WRITE_A).turn().await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut woken = Box::pin(join(&turns, session, WRITE_A).turn());
        let mut next = pin!(join(&turns, session, WRITE_A).turn());
        assert!(woken.as_mut().poll(&mut context).is_pending());
        assert!(next.as_mut().poll(&mut context).is_pending());
        drop(held);
        drop(woken);
        next.await.unwrap();
    });
}

const WRITE_BOTH: Plan = &[(A, Mode::Write), (B, Mode::Write)];

#[tokio::test]
async fn a_turn_is_passed_on_to_the_next_writer_of_the_same_states() {
    let cases: [(Plan, &[Plan], bool); 8] = [
        (WRITE_A, &[WRITE_A, READ_A], true),
        (WRITE_BOTH, &[&[(B, Mode::Write), (A, Mode::Write)], WRITE_A], true),
        (WRITE_A, &[], false),
        (WRITE_A, &[READ_A, WRITE_A], false),
        (WRITE_A, &[WRITE_BOTH, WRITE_A], false),
        (WRITE_A, &[&[(A, Mode::Write), (B, Mode::Read)]], false),
        (WRITE_BOTH, &[WRITE_A, WRITE_BOTH], false),
        (WRITE_BOTH, &[&[(B, Mode::Write)], WRITE_BOTH], false),
    ];
    for (at, (first, others, expected)) in cases.into_iter().enumerate() {
        let (turns, session) = turns();
        let (first, home) = leased(join(&turns, session, first)).await;
        let others: Vec<_> = others.iter().map(|plan| join(&turns, session, plan)).collect();
        let came = turns.arrivals(session);
        assert_eq!(first.successor_came().is_some(), expected, "case {at}");
        let mut passed = first.pass_on(came);
        assert_eq!(passed.held().is_none(), expected, "case {at}");
        drop(passed);
        for (place, other) in others.into_iter().enumerate() {
            let lease = lease_of(other).await;
            assert_eq!(lease.is_some(), expected && place == 0, "case {at}, call {place}");
        }
        assert_eq!(home.0.load(Ordering::Relaxed), 1, "case {at}: it came back once");
        assert_eq!(turns.sessions(), 0);
    }
}

#[tokio::test]
async fn a_turn_is_passed_on_to_nobody_who_came_later() {
    let (turns, session) = turns();
    let (first, home) = leased(join(&turns, session, WRITE_A)).await;
    let came = turns.arrivals(session);
    let later = join(&turns, session, WRITE_A);
    assert!(first.successor_came().is_some_and(|next| next > came));
    let mut first = first.pass_on(came);
    assert!(first.held().is_some());
    assert!(!has_come(&later), "the turn is still the first one's");
    drop(first);
    assert_eq!(home.0.load(Ordering::Relaxed), 1);
    assert_eq!(lease_of(later).await, None);
}

#[tokio::test]
async fn who_got_its_turn_passed_on_answers_after_those_before_it() {
    let (turns, session) = turns();
    let (first, _home) = leased(join(&turns, session, WRITE_A)).await;
    let (second, third) = (join(&turns, session, WRITE_A), join(&turns, session, WRITE_A));
    let answers_now = |behind: &Behind| behind.those_before_have_answered().now_or_never().is_some();
    let came = turns.arrivals(session);
    let first = first.pass_on(came);
    let second = second.turn_now().ok().unwrap().pass_on(came);
    let third = Behind::turn(third.turn_now().ok());
    assert!(answers_now(&first) && !answers_now(&second) && !answers_now(&third));
    // One that waits for nobody, as a request, leaves the order among the others as it is.
    drop(second);
    assert!(!answers_now(&third));
    drop(first);
    assert!(answers_now(&third));
}

#[tokio::test]
async fn a_lease_that_was_left_to_a_call_goes_back_with_it() {
    let (turns, session) = turns();
    let (first, home) = leased(join(&turns, session, WRITE_A)).await;
    let (second, third) = (join(&turns, session, WRITE_A), join(&turns, session, WRITE_A));
    assert!(first.pass_on(turns.arrivals(session)).held().is_none());
    assert!(has_come(&second) && !has_come(&third));
    assert_eq!(home.0.load(Ordering::Relaxed), 0);
    drop(second);
    assert_eq!(home.0.load(Ordering::Relaxed), 1);
    assert_eq!(lease_of(third).await, None);
}

/// Plans whose queues overlap in every order; joined one after the other they would deadlock.
const PLANS: [Plan; 5] = [
    &[(A, Mode::Write), (B, Mode::Write)],
    &[(B, Mode::Write), (A, Mode::Write)],
    &[(A, Mode::Write), (C, Mode::Write)],
    &[(B, Mode::Write)],
    &[(A, Mode::Read), (C, Mode::Write)],
];

/// Whether this is the long form of a test: see `tests/soak`.
pub(super) fn is_long() -> bool {
    std::env::var_os("SOAK").is_some()
}

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

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_not_taken_lets_others_pass_and_is_first_again() {
    let (turns, session) = turns();
    let held = join(&turns, session, WRITE_A).turn().await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut kept = Box::pin(keep(&turns, session, WRITE_A).turn());
    assert!(kept.as_mut().poll(&mut context).is_pending());
    let began = Instant::now();
    drop(held);
    let passes = join(&turns, session, WRITE_A).turn().await.unwrap();
    assert_eq!(began.elapsed(), PATIENCE);
    let mut waits = pin!(join(&turns, session, WRITE_A).turn());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    assert!(kept.as_mut().poll(&mut context).is_pending(), "somebody holds the turn by now");
    drop(passes);
    assert!(waits.as_mut().poll(&mut context).is_pending(), "the one that was set aside is first again");
    drop(kept.await.unwrap());
    drop(waits.await.unwrap());
    assert_eq!(turns.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_that_are_not_polled_cost_the_patience_twice() {
    let (turns, session) = turns();
    let held = join(&turns, session, WRITE_A).turn().await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut kept: Vec<_> = (0..100).map(|_| Box::pin(keep(&turns, session, WRITE_A).turn())).collect();
    for future in &mut kept {
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    let began = Instant::now();
    drop(held);
    drop(join(&turns, session, WRITE_A).turn().await.unwrap());
    assert!(began.elapsed() <= PATIENCE * 3, "{:?}", began.elapsed());
    for future in kept {
        drop(future.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_are_polled_are_not_set_aside_with_those_that_are_not() {
    let (turns, session) = turns();
    let held = join(&turns, session, WRITE_A).turn().await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut kept = Box::pin(keep(&turns, session, WRITE_A).turn());
    assert!(kept.as_mut().poll(&mut context).is_pending());
    let order = Arc::new(Mutex::new(Vec::new()));
    let polled: Vec<_> = (0..10)
        .map(|number| {
            let (ticket, order) = (keep(&turns, session, WRITE_A), Arc::clone(&order));
            tokio::spawn(async move {
                let turn = ticket.turn().await.unwrap();
                order.lock().push(number);
                tokio::time::sleep(PATIENCE / 2).await;
                drop(turn);
            })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(held);
    for task in polled {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), (0..10).collect::<Vec<_>>());
    drop(kept);
    assert_eq!(turns.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_task_is_never_set_aside() {
    let (turns, session) = turns();
    let event = join(&turns, session, WRITE_A);
    let limits = Limits { wait: Duration::from_secs(5), ..LIMITS };
    let error = turns
        .join(session, WRITE_A, limits, Polled::ByItsCaller, &HeldTurns::default())
        .unwrap()
        .turn()
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::TurnTimeout);
    assert!(has_come(&event));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_was_never_polled_is_set_aside_too() {
    let (turns, session) = turns();
    let kept = keep(&turns, session, WRITE_A);
    let began = Instant::now();
    drop(join(&turns, session, WRITE_A).turn().await.unwrap());
    assert_eq!(began.elapsed(), PATIENCE);
    kept.turn().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn several_set_aside_keep_their_order() {
    let (turns, session) = turns();
    let (first, second) = (keep(&turns, session, WRITE_A), keep(&turns, session, WRITE_A));
    let later = join(&turns, session, WRITE_A);
    end_patience(&turns);
    end_patience(&turns);
    assert!(has_come(&later));
    let last = join(&turns, session, WRITE_A);
    assert!(!has_come(&second) && !has_come(&first) && !has_come(&last));
    drop(later);
    assert!(!has_come(&last) && !has_come(&second));
    assert!(has_come(&first));
    drop(first);
    assert!(!has_come(&last) && has_come(&second));
    drop(second);
    assert!(has_come(&last));
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_one_set_aside_goes_on_and_its_place_counts() {
    let (turns, session) = turns();
    let limits = Limits { wait: Duration::from_secs(5), waiters: 1, ..LIMITS };
    let held = join(&turns, session, WRITE_A).turn().await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let kept = turns.join(session, WRITE_A, limits, Polled::ByItsCaller, &HeldTurns::default()).unwrap();
    let mut kept = Box::pin(kept.turn());
    assert!(kept.as_mut().poll(&mut context).is_pending());
    drop(held);
    end_patience(&turns);
    let passes = turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).unwrap();
    assert!(has_come(&passes));
    let refused =
        turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::TooManyWaiters);
    tokio::time::advance(Duration::from_secs(5)).await;
    turns.look_after(Instant::now());
    assert_eq!(kept.await.err().unwrap().kind(), ErrorKind::TurnTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_too_long_leaves_the_queue_without_being_polled() {
    let (turns, session) = turns();
    let limits = Limits { wait: Duration::from_secs(1), ..LIMITS };
    let held = join(&turns, session, WRITE_A).turn().await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut kept = Box::pin(
        turns.join(session, WRITE_A, limits, Polled::ByItsTask, &HeldTurns::default()).unwrap().turn(),
    );
    assert!(kept.as_mut().poll(&mut context).is_pending());
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(held);
    join(&turns, session, WRITE_A).turn_now().ok().unwrap();
    assert_eq!(kept.await.err().unwrap().kind(), ErrorKind::TurnTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_passed_on_goes_back_when_its_call_is_set_aside() {
    let (turns, session) = turns();
    let (first, home) = leased(join(&turns, session, WRITE_A)).await;
    let kept = keep(&turns, session, WRITE_A);
    assert!(first.pass_on(turns.arrivals(session)).held().is_none());
    assert_eq!(home.0.load(Ordering::Relaxed), 0);
    tokio::time::sleep(PATIENCE * 2).await;
    assert_eq!(home.0.load(Ordering::Relaxed), 1, "though nobody here waits: other nodes do");
    assert_eq!(lease_of(kept).await, None);
}

#[tokio::test]
async fn one_that_is_back_goes_behind_a_call_that_has_a_lease() {
    let (turns, session) = turns();
    let (held, kept) = (join(&turns, session, &[(B, Mode::Write)]), keep(&turns, session, WRITE_A));
    end_patience(&turns);
    let (first, home) = leased(join(&turns, session, WRITE_A)).await;
    let next = join(&turns, session, WRITE_A);
    assert!(first.pass_on(turns.arrivals(session)).held().is_none());
    assert!(!has_come(&kept), "the lease is with another one");
    assert_eq!(lease_of(next).await, Some(Lease(1)));
    assert!(has_come(&kept));
    assert_eq!(home.0.load(Ordering::Relaxed), 1);
    drop(held);
}

/// A call inside of the one that holds this turn, and of those around it.
fn inside(turns: &Arc<Turns>, session: SessionId, outer: &[&Turn], plan: Plan) -> Result<Ticket, Error> {
    let mut held = HeldTurns::default();
    for turn in outer {
        held.add(turn);
    }
    turns.join(session, plan, LIMITS, Polled::ByItsCaller, &held)
}

const WRITE_B: Plan = &[(B, Mode::Write)];

#[tokio::test]
async fn a_call_inside_of_another_one_is_told_where_that_one_holds_what_it_wants() {
    let (turns, session) = turns();
    let outer = join(&turns, session, WRITE_A).turn().await.unwrap();
    let told = |plan, outer: &[&Turn]| {
        let error = inside(&turns, session, outer, plan).err();
        error.map(|error| (error.kind(), error.to_string().contains("one of the two only")))
    };
    assert_eq!(told(WRITE_A, &[&outer]), Some((ErrorKind::NestedTurn, true)));
    assert_eq!(told(READ_A, &[&outer]), Some((ErrorKind::NestedTurn, true)));
    assert_eq!(told(WRITE_BOTH, &[&outer]), Some((ErrorKind::NestedTurn, true)));
    assert_eq!(told(WRITE_B, &[&outer]), None);
    let between = inside(&turns, session, &[&outer], WRITE_B).unwrap().turn().await.unwrap();
    assert_eq!(told(READ_A, &[&outer, &between]), Some((ErrorKind::NestedTurn, true)));
    assert_eq!(told(&[(C, Mode::Write)], &[&outer, &between]), None);
    assert!(inside(&turns, SessionId::random(), &[&outer], WRITE_A).is_ok(), "another session");
}

#[tokio::test]
async fn a_call_that_would_close_a_circle_is_told() {
    let (turns, session) = turns();
    let of_a = join(&turns, session, WRITE_A).turn().await.unwrap();
    let of_b = join(&turns, session, WRITE_B).turn().await.unwrap();
    let for_b = inside(&turns, session, &[&of_a], WRITE_B).unwrap();
    for plan in [WRITE_A, READ_A] {
        let told = inside(&turns, session, &[&of_b], plan).err().unwrap();
        assert_eq!(told.kind(), ErrorKind::NestedTurn);
        assert!(told.to_string().contains("in the same order"), "{told}");
    }
    drop(for_b);
    let for_a = inside(&turns, session, &[&of_b], WRITE_A).unwrap();
    drop(of_a);
    assert!(has_come(&for_a));
}

#[tokio::test]
async fn a_call_behind_one_that_waits_for_its_outer_one_is_told() {
    let (turns, session) = turns();
    let of_a = join(&turns, session, WRITE_A).turn().await.unwrap();
    let waits = join(&turns, session, WRITE_BOTH);
    let told = inside(&turns, session, &[&of_a], WRITE_B).err().unwrap();
    assert_eq!(told.kind(), ErrorKind::NestedTurn);
    assert!(inside(&turns, session, &[], WRITE_B).is_ok());
    drop(waits);
}

#[tokio::test]
async fn one_that_was_set_aside_closes_no_circle_when_it_is_back() {
    let (turns, session) = turns();
    let kept = keep(&turns, session, WRITE_BOTH);
    end_patience(&turns);
    let of_a = join(&turns, session, WRITE_A).turn().await.unwrap();
    let of_b = join(&turns, session, WRITE_B).turn().await.unwrap();
    let inner = inside(&turns, session, &[&of_a], WRITE_B).unwrap();
    assert!(!has_come(&inner) && !has_come(&kept));
    drop(of_b);
    assert!(!has_come(&kept) && has_come(&inner), "the outer call waits for the inner one");
    drop(inner);
    drop(of_a);
    assert!(has_come(&kept));
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
