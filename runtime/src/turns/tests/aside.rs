//! Turns that are not taken: others pass, and their calls are first again.

use parking_lot::Mutex;

use super::*;

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
