//! What can happen to a process that is a node, on any engine.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use socketioxide_session::testing::Packet;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{Engine, Node, count_together};
use crate::{
    app::App,
    busy::Busy,
    http::{self, Answer},
    raw::{RawSocket, event_frame},
    records::SECOND,
    soak::short_or_long,
    soon,
};

/// How long the turns of a process outlive it.
const LEASE: Duration = SECOND;

/// Two nodes, and the cookie of a session of somebody called Ada, who counted once.
async fn two_nodes(engine: &impl Engine, lease: Duration) -> ([Node; 2], String) {
    let nodes = [engine.node(lease).await, engine.node(lease).await];
    let cookie = http::get(&nodes[0].app, "/rename/Ada", None).await.new_cookie();
    http::get(&nodes[1].app, "/add", Some(&cookie)).await.ok();
    (nodes, cookie)
}

/// A request that is under way.
fn asked(app: &App, path: &'static str, cookie: &str) -> JoinHandle<Answer> {
    let (app, cookie) = (App::elsewhere(app.address()), cookie.to_owned());
    tokio::spawn(async move { http::get(&app, path, Some(&cookie)).await })
}

/// A release: a client comes back as soon as the server is there, and emits as soon as it has heard CONNECT.
pub async fn a_server_that_has_just_started_loses_no_first_event(engine: &impl Engine) {
    let (most, time) = short_or_long((usize::MAX, SECOND * 8), (500, Duration::MAX));
    let (_busy, began) = (Busy::threads(3), Instant::now());
    let mut starts = 0;
    while starts < most && began.elapsed() < time {
        let node = engine.node(LEASE).await;
        let mut socket = RawSocket::connect(&node.app, None).await;
        let frames: Vec<_> = (0..10).map(|id| event_frame("/", Some(id), "add", &[])).collect();
        socket.send(&frames).await;
        for id in 0..10 {
            assert_eq!(socket.answer("/", id).await, id + 1, "event {id} of start {starts}");
        }
        starts += 1;
    }
    println!("{starts} starts in {:.1?}: no event lost", began.elapsed());
}

pub async fn increments_in_two_processes_are_all_counted(engine: &impl Engine) {
    // A lease that outlives the pauses of a busy machine.
    let (nodes, cookie) = two_nodes(engine, SECOND * 10).await;
    let [one, two] = &nodes;
    let each: usize = short_or_long(50, 1_000);
    let all = 1 + 16 * each as u64;
    let begun = Instant::now();
    let (acknowledged, open) = count_together([&one.app, &two.app], &cookie, each).await;
    println!("{} increments in two processes took {:?}", 16 * each, begun.elapsed());
    assert_eq!(open, Vec::<Value>::new());
    assert_eq!(acknowledged, (2..=all).collect::<BTreeSet<_>>());
    for node in &nodes {
        assert_eq!(node.all(&cookie).await, json!({ "n": all, "name": "Ada" }));
    }
}

pub async fn the_turn_of_a_killed_process_passes_on(engine: &impl Engine) {
    let ([mut one, two], cookie) = two_nodes(engine, LEASE).await;
    let mut there = RawSocket::connect(&two.app, Some(&cookie)).await;
    let mut here = RawSocket::connect(&one.app, Some(&cookie)).await;
    here.ask_later("/", "hold", &[]).await;
    one.holds().await;
    let waits = asked(&two.app, "/add", &cookie);
    engine.somebody_waits().await;
    let killed = Instant::now();
    one.process.signal("KILL");
    assert_eq!(waits.await.unwrap().json(), json!(2));
    let took = killed.elapsed();
    println!("the turn of a killed process passed on after {took:?}, of a lease of {LEASE:?}");
    assert!(took < LEASE * 2, "{took:?}");
    here.disconnected("/").await;
    // Nothing of the handler that died is there, and nothing is missing.
    assert_eq!(two.all(&cookie).await, json!({ "n": 2, "name": "Ada" }));
    assert_eq!(there.ask("add", &[]).await, json!(3));
    let third = engine.node(LEASE).await;
    assert_eq!(http::get(&third.app, "/add", Some(&cookie)).await.json(), json!(4));
    assert_eq!(third.all(&cookie).await, json!({ "n": 4, "name": "Ada" }));
}

/// Two calls under one lease: the process dies in the second one, while the commit of the first may be under way.
pub async fn a_process_killed_in_a_relay_leaves_what_it_acknowledged(engine: &impl Engine) {
    let ([mut one, two], cookie) = two_nodes(engine, LEASE).await;
    let mut socket = RawSocket::connect(&one.app, Some(&cookie)).await;
    let mut holds = Vec::new();
    for _ in 0..3 {
        holds.push(socket.ask_later("/", "hold", &[]).await);
    }
    for _ in 0..2 {
        one.holds().await;
        one.go_on().await;
    }
    // The third goes on with what the second has left.
    one.holds().await;
    assert_eq!(socket.answer("/", holds[0]).await, Value::Null);
    one.process.signal("KILL");
    let killed = Instant::now();
    socket.disconnected("/").await;
    let told = socket.unasked().any(|packet| matches!(packet, Packet::Ack { id, .. } if *id == holds[1]));
    let counted = http::get(&two.app, "/add", Some(&cookie)).await.json().as_u64().unwrap() - 2;
    println!("killed in a relay: the turn passed on after {:?}", killed.elapsed());
    assert!(counted == 2000 || (counted == 1000 && !told), "{counted}, told: {told}");
    assert_eq!(two.all(&cookie).await["name"], "whoever held");
}

/// What was acknowledged is counted, by whichever process and whenever that ended.
pub async fn a_process_killed_while_it_counts_leaves_what_it_acknowledged(engine: &impl Engine) {
    let (nodes, cookie) = two_nodes(engine, LEASE * 2).await;
    let mut clients = JoinSet::new();
    let (sender, mut acknowledgements) = mpsc::unbounded_channel();
    for (number, node) in nodes.iter().enumerate() {
        for _ in 0..4 {
            let (url, cookie, sender) = (node.app.url("/add"), cookie.clone(), sender.clone());
            clients.spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                for _ in 0..50 {
                    let answer = client.get(&url).header("cookie", &cookie).send().await;
                    let Ok(answer) = answer.and_then(reqwest::Response::error_for_status) else { return 1 };
                    let Ok(text) = answer.text().await else { return 1 };
                    sender.send((number, text.parse::<u64>().unwrap())).unwrap();
                }
                0
            });
        }
    }
    drop(sender);
    let (mut acknowledged, mut of_the_first) = (BTreeSet::from([1]), 0);
    while let Some((number, n)) = soon("an answer", acknowledgements.recv()).await {
        assert!(acknowledged.insert(n), "{n} was given twice");
        of_the_first += usize::from(number == 0);
        if (number, of_the_first) == (0, 40) {
            nodes[0].process.signal("KILL");
        }
    }
    let open: usize = clients.join_all().await.into_iter().sum();
    let all = nodes[1].all(&cookie).await;
    let (known, counted) = (acknowledged.len(), all["n"].as_u64().unwrap());
    println!("killed while it counted: {known} told, {open} left open, {counted} counted");
    assert!(open <= 4, "only the clients of the process that was killed: {open}");
    assert!(acknowledged.last().is_some_and(|last| *last <= counted));
    assert!((known..=known + open).contains(&usize::try_from(counted).unwrap()));
    assert_eq!(all["name"], "Ada");
}

pub async fn a_process_that_slept_through_its_lease_overwrites_nothing(engine: &impl Engine) {
    let ([mut one, two], cookie) = two_nodes(engine, LEASE).await;
    let mut socket = RawSocket::connect(&one.app, Some(&cookie)).await;
    for (over_a_socket, n) in [(false, 2), (true, 4)] {
        let request = (!over_a_socket).then(|| asked(&one.app, "/hold", &cookie));
        let event = if over_a_socket { socket.ask_later("/", "hold", &[]).await } else { 0 };
        one.holds().await;
        one.process.signal("STOP");
        let stopped = Instant::now();
        assert_eq!(http::get(&two.app, "/add", Some(&cookie)).await.json(), json!(n));
        println!(
            "the turn of a stopped process passed on after {:?}, of a lease of {LEASE:?}",
            stopped.elapsed()
        );
        one.process.signal("CONT");
        one.go_on().await;
        if let Some(request) = request {
            let answer = request.await.unwrap();
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.body.contains("has passed on"), "{}", answer.body);
        } else {
            assert_eq!(socket.answer("/", event).await["code"], "turn_lost");
        }
        // And it goes on as if nothing had happened.
        for node in [&one, &two] {
            assert_eq!(node.all(&cookie).await, json!({ "n": n, "name": "Ada" }));
        }
        assert_eq!(socket.ask("add", &[]).await, json!(n + 1));
    }
}
