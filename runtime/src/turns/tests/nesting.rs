//! Calls inside of others: what can never come is said at once.

use super::*;

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
