//! Runs: calls that wait on one node have their turns one after the other under one lease, and commit together.
//!
//! Clauses: 6, 14.

use std::time::Duration;

use serde_json::{Value, json};
use socketioxide_session::RedisBackend;
use socketioxide_session_tests::{
    app::sessions,
    http, on_engine,
    records::{SECOND, milliseconds},
    redis_server::RedisServer,
    several::relays::*,
    soon,
};
use tokio::time::{Instant, sleep};

use crate::proxy::Proxy;

on_engine! {
    redis:
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

/// With a lease that outlives all pauses.
async fn lasting(server: &RedisServer) -> RedisBackend {
    let backend = RedisBackend::connect(server.url()).await.unwrap();
    backend.with_lease(Duration::from_mins(1)).with_timeout(SECOND * 20)
}

/// What Redis has of the one session.
async fn stored(server: &RedisServer) -> Value {
    let key = server.keys("session:*").await.into_iter().find(|key| key.ends_with('}')).unwrap();
    let user: String = server.command(&["HGET", &key, "v:user"]).await;
    serde_json::from_str(&user).unwrap()
}

async fn nobody_has_a_lease(server: &RedisServer) {
    soon("the end of all leases", async {
        while !server.keys("session:*:turns").await.is_empty() {
            sleep(milliseconds(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn sixteen_events_in_flight_are_two_commits() {
    let server = RedisServer::start().await;
    let (mut node, _) = Node::start(sessions(lasting(&server).await), None).await;
    let numbers = node.line_up(&["add"; 15]).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    server.signal("STOP");
    node.stage.gate.open();
    node.ran(16).await;
    // All have done their work; none is told before Redis has it.
    node.is_told_nothing().await;
    server.signal("CONT");
    let expected: Vec<_> = (3..=18).map(Value::from).collect();
    assert_eq!(node.answers(numbers).await, expected);
    assert_eq!(stored(&server).await["visits"], 18);
    let scripts = server.calls("evalsha").await + server.calls("eval").await;
    println!("16 events in flight: {} scripts with the one that took the turn", scripts + 1);
    assert!((1..=2).contains(&scripts), "{scripts}");
    nobody_has_a_lease(&server).await;
}

/// Each comes while the one before it is at work: it goes on when that one's commit is in, without asking for a turn.
#[tokio::test]
async fn who_comes_during_a_relay_joins_it() {
    let server = RedisServer::start().await;
    let (mut node, _) = Node::start(sessions(lasting(&server).await), None).await;
    let mut numbers = node.line_up(&[]).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..10 {
        numbers.extend(node.send(&["gated"]).await);
        node.arrived().await;
        node.stage.gate.open();
        node.stage.gate.reached().await;
    }
    node.stage.gate.open();
    assert_eq!(node.answers(numbers).await, (3..=13).map(Value::from).collect::<Vec<_>>());
    nobody_has_a_lease(&server).await;
    // One commit each, and the text of the script once.
    assert_eq!(server.calls("evalsha").await + server.calls("eval").await, 11);
}

#[tokio::test]
async fn each_is_told_after_its_own_data_is_in() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let backend = RedisBackend::connect(&*proxy.url).await.unwrap().with_timeout(SECOND * 20);
    let (mut node, _) = Node::start(sessions(backend), None).await;
    for _ in 0..3 {
        let numbers = node.line_up(&["add"; 15]).await;
        // The first commit is under way while the others do their work.
        proxy.delay(100);
        node.stage.gate.open();
        for number in numbers {
            let told = node.answer(number).await.as_u64().unwrap();
            assert!(stored(&server).await["visits"].as_u64().unwrap() >= told, "{told} was not saved yet");
        }
        proxy.delay(0);
    }
}

/// Whoever is given what was never saved is told so, even if it wrote nothing; and nothing of it is written.
#[tokio::test]
async fn all_after_a_commit_that_failed_are_told() {
    for code in ["turn_lost", "session_ended", "backend"] {
        let server = RedisServer::start().await;
        let (mut node, cookie) = Node::start(sessions(lasting(&server).await), None).await;
        let numbers = node.line_up(&["add", "look", "fail", "add"]).await;
        match code {
            "turn_lost" => {
                let control = server.keys("session:*:turns").await.remove(0);
                let () = server.command(&["DEL", &control]).await;
            }
            "session_ended" => {
                let () = server.command(&["FLUSHALL"]).await;
            }
            _ => {
                let () = server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
            }
        }
        server.signal("STOP");
        node.stage.gate.open();
        node.ran(5).await;
        server.signal("CONT");
        for (at, answer) in node.answers(numbers).await.into_iter().enumerate() {
            assert_eq!(answer["code"], code, "call {at}: {answer}");
        }
        let () = server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
        if code != "session_ended" {
            assert_eq!(stored(&server).await["visits"], 2);
            assert_eq!(http::get(&node.app, "/add", Some(&cookie)).await.json(), json!(3));
        }
    }
}

/// Of the commit that was sent it is not known; of those after it it is.
#[tokio::test]
async fn only_what_was_sent_is_unknown() {
    let server = RedisServer::start().await;
    let backend = RedisBackend::connect(server.url()).await.unwrap().with_timeout(SECOND);
    let (mut node, cookie) = Node::start(sessions(backend), None).await;
    let numbers = node.line_up(&["add", "look", "add"]).await;
    let began = Instant::now();
    server.signal("STOP");
    node.stage.gate.open();
    node.ran(4).await;
    let answers = node.answers(numbers).await;
    println!("a frozen Redis was given up after {:?}", began.elapsed());
    server.signal("CONT");
    let codes: Vec<_> = answers.iter().map(|answer| answer["code"].as_str().unwrap()).collect();
    let sent = codes.iter().take_while(|code| **code == "outcome_unknown").count();
    assert!(sent >= 1 && codes[sent..].iter().all(|code| *code == "backend"), "{codes:?}");
    // The frozen commit took place, or it did not.
    let written = [1, 2, 2, 3][sent - 1];
    let n = http::get(&node.app, "/add", Some(&cookie)).await.json();
    assert!(n == 3 || n == 3 + written, "{n} after {codes:?}");
}

#[tokio::test]
async fn one_that_is_too_large_spoils_nothing_of_those_before_it() {
    let server = RedisServer::start().await;
    let backend = lasting(&server).await.with_max_value_size(500);
    let (mut node, _) = Node::start(sessions(backend), None).await;
    let numbers = node.line_up(&["add", "add", "fill", "add"]).await;
    server.signal("STOP");
    node.stage.gate.open();
    node.ran(4).await;
    server.signal("CONT");
    let answers = node.answers(numbers).await;
    assert_eq!(answers[..3], [json!(3), json!(4), json!(5)]);
    // The last one had seen the large value, or came too late for it.
    assert_eq!(answers[3]["code"], "backend");
    assert!(answers[4]["code"] == "backend" || answers[4] == 6, "{}", answers[4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_events_in_flight_all_the_time_take_less_than_a_script_each() {
    const EVENTS: usize = 2000;
    let server = RedisServer::start().await;
    let (node, _) = Node::start(sessions(lasting(&server).await), None).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    let began = Instant::now();
    let (_node, counts) = node.hammer(EVENTS).await;
    let scripts = server.calls("evalsha").await;
    println!("{EVENTS} events, 16 in flight: {scripts} scripts, {:?}", began.elapsed());
    assert_eq!(counts, (2..2 + EVENTS as u64).collect::<Vec<_>>());
    assert!(scripts < EVENTS as u64, "{scripts}");
}
