//! The queues by themselves: order, limits, and cancellation at every point.

mod aside;
mod model;
mod nesting;

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use futures_util::FutureExt;
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

/// Whether this is the long form of a test: see `tests/soak`.
pub(in crate::turns) fn is_long() -> bool {
    std::env::var_os("SOAK").is_some()
}
