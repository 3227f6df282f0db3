//! Runs: calls that wait on one node have their turns one after the other under one lease, and commit together.
//!
//! Clauses: 6, 14.

use socketioxide_session_tests::{on_engine, several::relays::*};

on_engine! {
    postgres:
    any_call_in_the_middle_of_a_line_has_its_place
    the_end_of_the_session_comes_after_those_before_it
    a_new_id_comes_after_those_before_it
    a_call_that_is_cancelled_leaves_the_others
    what_a_plain_session_wrote_before_an_event_came_is_not_missed
    what_a_plain_session_writes_meanwhile_is_kept
    another_node_has_its_turn_after_a_relay_of_64
    another_node_that_waits_comes_before_those_who_came_later
    another_node_has_its_turn_within_half_a_lease
    each_call_of_a_relay_may_hold_the_turn_as_long_as_any
    two_nodes_that_hammer_one_session_both_get_on
    a_lease_that_is_passed_on_to_a_call_that_nobody_polls_is_given_back
    the_answers_of_a_sockets_events_come_in_the_order_of_their_turns
}
