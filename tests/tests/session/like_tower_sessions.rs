//! Any program of `Session`'s methods leaves what it leaves under tower-sessions' own layer, but for a closed list of
//! differences, each of which a clause promises.
//!
//! A program is several requests long, some of them two at once; some fail, and some are dropped. It runs in this
//! process on a paused clock, under tower-sessions' own layer and under ours, in memory and in a store. What each method returned, and
//! what there is after each request, is then held against each other: the browser's cookie, which of the ids seen
//! so far still work, their values, and how long they live.
//!
//! Clauses: 1, 6, 7, 10, 11, 12.

mod differences;
mod more;
mod program;
mod scene;
mod stage;

use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use serde_json::json;
use socketioxide_session_tests::soak::cases;

use self::{
    differences::differences,
    more::{MORE, compare},
    program::{Life, Op, Program, Request, Shows, Step, alone, programs},
    stage::{Layer, Seen, Trace, run},
};

fn written(trace: &Trace) -> String {
    trace.iter().map(Seen::to_string).map(|line| "  ".to_owned() + &line + "\n").collect()
}

/// Runs a program everywhere. `Ok`: the names of the differences that are allowed.
fn try_program(program: &Program) -> Result<Vec<&'static str>, String> {
    let theirs = run(program, Layer::TowerSessions);
    let in_a_store = run(program, Layer::OursInAStore);
    let allowed = like_theirs(program, &theirs, &in_a_store)?;
    if !program.needs_a_store_that_fails() {
        let in_memory = run(program, Layer::OursInMemory);
        like_theirs(program, &theirs, &in_memory)?;
        // Here nothing may differ, also where nothing is compared with tower-sessions any more.
        for (one, other) in in_a_store.iter().zip(&in_memory) {
            let found = differences(one, other);
            if !found.is_empty() {
                return Err(format!("{found:?}:\n  in a store: {one}\n  in memory:  {other}\n{program:?}"));
            }
        }
    }
    Ok(allowed)
}

fn like_theirs(program: &Program, theirs: &Trace, ours: &Trace) -> Result<Vec<&'static str>, String> {
    compare(program, theirs, ours).map_err(|fault| {
        let (theirs, ours) = (written(theirs), written(ours));
        format!("{fault}\n{program:?}all of tower-sessions:\n{theirs}all of ours:\n{ours}")
    })
}

/// The smallest program like this one that fails, and how.
fn smallest(mut program: Program, mut fault: String) -> (Program, String) {
    'shorter: loop {
        for shorter in program.shorter() {
            if let Err(still) = try_program(&shorter) {
                (program, fault) = (shorter, still);
                continue 'shorter;
            }
        }
        return (program, fault);
    }
}

#[test]
fn any_program_leaves_what_it_leaves_under_tower_sessions() {
    let outcome = TestRunner::new(cases(400, 20_000))
        .run(&programs(), |program| try_program(&program).map(drop).map_err(TestCaseError::fail));
    if let Err(TestError::Fail(reason, program)) = outcome {
        panic!("{}", smallest(program, reason.to_string()).1);
    }
}

#[test]
fn each_of_the_allowed_differences_is_met() {
    for more in &MORE {
        let program = (more.example)();
        let allowed = try_program(&program).unwrap_or_else(|fault| panic!("{}: {fault}", more.name));
        let name = more.name;
        assert!(
            allowed.contains(&name),
            "clause {}: no need to allow that {name}\nin {program:?}",
            more.clause
        );
    }
}

#[track_caller]
fn holds(program: &Program) {
    if let Err(fault) = try_program(program) {
        panic!("{fault}");
    }
}

#[track_caller]
fn after_a_login(ops: impl Into<Vec<Op>>) {
    holds(&Program::new([
        alone([Op::Insert("user", json!("ada")), Op::Insert("is_admin", json!(1))]),
        alone(ops),
    ]));
}

#[track_caller]
fn with_one_value(ops: impl Into<Vec<Op>>) {
    holds(&Program::new([alone([Op::Insert("user", json!("ada"))]), alone(ops)]));
}

#[test]
fn a_clear_without_an_earlier_read_clears() {
    after_a_login([Op::Clear]);
}

#[test]
fn a_clear_before_a_login_leaves_nothing_of_who_was_there() {
    after_a_login([Op::Clear, Op::Insert("user", json!("bob")), Op::CycleId]);
}

#[test]
fn a_clear_and_a_save_clear() {
    after_a_login([Op::Clear, Op::Save, Op::GetValue("user")]);
}

#[test]
fn a_removal_of_the_last_key_before_a_new_id_is_kept() {
    with_one_value([Op::RemoveValue("user"), Op::CycleId]);
}

#[test]
fn a_removal_of_the_last_key_after_a_new_id_is_kept() {
    with_one_value([Op::CycleId, Op::RemoveValue("user")]);
}

#[test]
fn a_removal_of_the_last_key_that_was_saved_between_two_new_ids_is_kept() {
    with_one_value([Op::CycleId, Op::RemoveValue("user"), Op::Save, Op::CycleId]);
}

#[test]
fn a_removal_of_one_key_beside_a_new_id_is_kept() {
    after_a_login([Op::RemoveValue("user"), Op::CycleId]);
    after_a_login([Op::CycleId, Op::RemoveValue("user")]);
}

#[test]
fn a_flush_after_a_new_id_ends_the_session() {
    after_a_login([Op::CycleId, Op::Flush]);
    after_a_login([Op::CycleId, Op::Save, Op::Flush]);
}

#[test]
fn a_flush_before_a_new_id_ends_what_somebody_else_wrote_meanwhile() {
    let both = Step::Both {
        first: Request::new([Op::Insert("user", json!(2))]),
        second: Request::new([Op::RemoveValue("user"), Op::Flush, Op::CycleId]),
        turns: vec![true],
    };
    holds(&Program::new([alone([Op::Insert("cart", json!(1))]), both, alone([Op::GetValue("cart")])]));
}

#[test]
fn a_clear_beside_a_new_id_clears() {
    after_a_login([Op::Clear, Op::CycleId]);
    after_a_login([Op::CycleId, Op::Clear]);
}

#[test]
fn a_save_that_failed_is_written_by_the_next_one() {
    after_a_login([Op::Insert("cart", json!(1)), Op::SaveFails, Op::Save, Op::Load, Op::GetValue("cart")]);
}

#[test]
fn a_save_that_failed_is_written_at_the_end() {
    after_a_login([Op::Insert("cart", json!(1)), Op::SaveFails]);
    holds(&Program::new([alone([Op::Insert("cart", json!(1)), Op::SaveFails])]));
}

#[test]
fn an_expiry_that_is_the_layers_own_is_set() {
    let longer = Op::SetExpiry(Some(Life::At(30 * 24 * 60)));
    for own in [Life::Inactivity(30), Life::SessionEnd] {
        let steps =
            [alone([Op::Insert("user", json!(1)), longer.clone()]), alone([Op::SetExpiry(Some(own))])];
        holds(&Program::new(steps.clone()).expiring(own));
    }
    let beside = [Op::Insert("user", json!(2)), Op::SetExpiry(None)];
    for ops in [&beside[1..], &beside] {
        holds(&Program::new([alone([Op::Insert("user", json!(1)), longer.clone()]), alone(ops)]));
    }
}

#[test]
fn no_expiry_is_set_under_a_layer_that_has_one() {
    let steps = [alone([Op::Insert("user", json!(1)), Op::SetExpiry(None)])];
    holds(&Program::new(steps).expiring(Life::Inactivity(30)));
}

#[test]
fn an_expiry_is_set_beside_values() {
    for life in [Life::SessionEnd, Life::Inactivity(120), Life::At(60)] {
        with_one_value([Op::Insert("user", json!("bob")), Op::SetExpiry(Some(life))]);
        with_one_value([Op::SetExpiry(Some(life)), Op::Insert("user", json!("bob")), Op::Save]);
        with_one_value([Op::SetExpiry(Some(life)), Op::CycleId]);
        with_one_value([Op::SetExpiry(Some(life)), Op::CycleId, Op::Save]);
    }
}

#[test]
fn the_layers_expiry_is_set_after_another_one_unread() {
    let ops = [Op::SetExpiry(None), Op::Insert("user", json!(2)), Op::SetExpiry(Some(Life::Inactivity(30)))];
    let steps = [alone([Op::Insert("user", json!(1)), Op::SetExpiry(Some(Life::At(60)))]), alone(ops)];
    holds(&Program::new(steps).expiring(Life::Inactivity(30)));
}

#[test]
fn the_layers_expiry_is_set_after_a_save_without_one() {
    let ops = [Op::SetExpiry(None), Op::Save, Op::SetExpiry(Some(Life::Inactivity(30)))];
    holds(&Program::new([alone(ops)]).expiring(Life::Inactivity(30)));
}

#[test]
fn a_flush_of_what_began_after_a_flush_removes_the_cookie() {
    with_one_value([Op::Flush, Op::Insert("user", json!("bob")), Op::Save, Op::Flush]);
}

#[test]
fn an_end_of_what_began_in_the_same_request_leaves_the_cookie_of_another_session() {
    for ops in [[Op::Save, Op::Flush], [Op::Save, Op::CycleId]] {
        let begins = Request::new([Op::Insert("user", json!(1))]);
        let both = Step::Both { first: begins.clone(), second: Request::new(ops), turns: vec![] };
        let steps = [Step::Alone(begins), Step::Wait(15 * 24 * 3600), both];
        holds(&Program::new(steps).expiring(Life::Inactivity(30)));
    }
}

#[test]
fn a_delete_ends_what_was_inserted_before_it() {
    with_one_value([Op::Insert("cart", json!(1)), Op::Delete]);
    with_one_value([Op::Clear, Op::Insert("cart", json!(1)), Op::Delete]);
    with_one_value([Op::SetExpiry(None), Op::Delete, Op::SetExpiry(None)]);
    with_one_value([Op::GetValue("user"), Op::Delete, Op::RemoveValue("user")]);
}

#[test]
fn what_is_inserted_after_an_unread_delete_begins_a_session() {
    with_one_value([Op::Delete, Op::Insert("user", json!("bob"))]);
    with_one_value([Op::SetExpiry(Some(Life::At(60))), Op::Delete, Op::Insert("user", json!("bob"))]);
}

#[test]
fn under_always_save_every_request_renews_the_life() {
    let inserts = alone([Op::Insert("user", json!(1))]);
    let steps = [inserts, Step::Wait(20 * 60), alone([]), Step::Wait(20 * 60), alone([Op::GetValue("user")])];
    holds(&Program::new(steps).expiring(Life::Inactivity(30)).always_saving());
}

#[test]
fn under_always_save_a_flush_removes_the_cookie() {
    holds(&Program::new([alone([Op::Insert("user", json!(1))]), alone([Op::Flush])]).always_saving());
}

#[test]
fn under_always_save_a_changed_id_can_be_read_with() {
    for ops in [vec![], vec![Op::GetValue("user")]] {
        let late = Step::Alone(Request::new(ops).showing(Shows::Id(0)));
        let steps = [alone([Op::Insert("user", json!(1)), Op::Save]), alone([Op::CycleId]), late];
        holds(&Program::new(steps).always_saving());
    }
}

#[test]
fn a_save_without_changes_renews_the_life() {
    for op in [Op::Save, Op::RemoveValue("cart")] {
        holds(&Program::new([alone([Op::Insert("user", json!(1))]), Step::Wait(3 * 3600), alone([op])]));
    }
}

#[test]
fn a_save_after_a_new_id_begins_a_session_where_there_is_none() {
    holds(&Program::new([alone([Op::CycleId, Op::Save])]));
}

#[test]
fn a_load_after_a_new_id_and_a_save_finds_what_was_saved() {
    with_one_value([Op::Insert("user", json!("bob")), Op::CycleId, Op::Save, Op::Load, Op::GetValue("user")]);
    with_one_value([Op::CycleId, Op::Insert("cart", json!(1)), Op::Save, Op::Load, Op::RemoveValue("cart")]);
}

#[test]
fn an_end_of_what_has_ended_leaves_the_cookie_of_the_next_session() {
    let late = Step::Alone(Request::new([Op::Delete]).showing(Shows::Id(0)));
    let inserts = || alone([Op::Insert("user", json!(1))]);
    holds(&Program::new([inserts(), alone([Op::Flush]), inserts(), late]));
}
