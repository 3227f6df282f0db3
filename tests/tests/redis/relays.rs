//! Runs: calls that wait on one node have their turns one after the other under one lease, and commit together.
//!
//! Clauses: 6, 14.

use std::{
    future::ready,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State as HttpState, routing::get};
use serde_json::{Value, json};
use socketioxide::extract::State as SocketState;
use socketioxide_session::{
    Error, EventRouter, RedisBackend, SessionControl, SessionLayer, Shared, http_handler, socket_handler,
    testing::Packet,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    fixture::shop::{self, Counter, User},
    gate::Gate,
    http,
    raw::RawSocket,
    records::{SECOND, milliseconds},
    redis_server::RedisServer,
    soon,
};
use tokio::time::{Instant, sleep, timeout};
use tower_sessions::Session;

use crate::{node, proxy::Proxy, somebody_waits};

/// What handlers share with their test.
#[derive(Clone, Default)]
struct Stage {
    gate: Gate,
    /// Where a future is kept that is not polled.
    kept: Gate,
    /// How many handlers have done their work, whether or not it is saved.
    ran: Arc<AtomicUsize>,
}

impl Stage {
    fn done<T>(&self, value: T) -> T {
        self.ran.fetch_add(1, Ordering::SeqCst);
        value
    }
}

#[socket_handler(user)]
async fn gated(user: &mut User, SocketState(stage): SocketState<Stage>) -> u64 {
    stage.gate.pass().await;
    user.visits += 1;
    stage.done(user.visits)
}

#[socket_handler(user)]
async fn add(user: &mut User, SocketState(stage): SocketState<Stage>) -> u64 {
    user.visits += 1;
    stage.done(user.visits)
}

#[socket_handler(user)]
async fn slow(user: &mut User) -> u64 {
    sleep(milliseconds(100)).await;
    user.visits += 1;
    user.visits
}

#[socket_handler(user)]
async fn look(user: &mut User, SocketState(stage): SocketState<Stage>) -> String {
    stage.done(format!("{}{}", user.visits, user.name.as_deref().unwrap_or_default()))
}

#[socket_handler(user)]
async fn fail(user: &mut User, SocketState(stage): SocketState<Stage>) -> Result<(), u64> {
    user.visits += 1000;
    Err(stage.done(user.visits))
}

#[socket_handler(user)]
async fn panics(user: &mut User) {
    user.visits += 1000;
    panic!("on purpose");
}

#[socket_handler(user, counter)]
async fn both(user: &mut User, counter: &mut Counter) -> u64 {
    user.visits += 1;
    counter.count = user.visits;
    user.visits
}

#[socket_handler(user)]
async fn fill(user: &mut User) -> u64 {
    user.visits += 1;
    user.name = Some("x".repeat(1000));
    user.visits
}

#[socket_handler(user)]
async fn flush(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.visits += 1;
    control.flush()
}

/// Everything that was sent before it has arrived when it is answered.
#[socket_handler]
async fn here() -> u64 {
    0
}

/// Waits for its turn, then for something else, and then for its turn again.
#[socket_handler]
async fn keeps(user: Shared<User>, SocketState(stage): SocketState<Stage>) -> Result<u64, Error> {
    let mut update = pin!(user.update(|user| {
        user.visits += 1;
        user.visits
    }));
    tokio::select! {
        biased;
        _ = &mut update => panic!("somebody holds the turn"),
        () = ready(()) => {}
    }
    stage.kept.pass().await;
    update.await
}

#[http_handler(user)]
async fn http_gated(user: &mut User, HttpState(stage): HttpState<Stage>) {
    user.visits += 1000;
    stage.gate.pass().await;
}

#[http_handler(user)]
async fn http_cycle(user: &mut User, control: SessionControl) -> Result<Json<u64>, Error> {
    user.visits += 1;
    control.cycle_id()?;
    Ok(Json(user.visits))
}

/// As any middleware of others that knows nothing of turns.
async fn plain(session: Session) {
    session.insert("user", json!({"visits": 50, "name": "plain"})).await.unwrap();
}

fn connected() -> EventRouter {
    EventRouter::new()
        .on("gated", gated)
        .on("add", add)
        .on("slow", slow)
        .on("look", look)
        .on("fail", fail)
        .on("panics", panics)
        .on("visits", shop::sockets::visits)
        .on("both", both)
        .on("fill", fill)
        .on("flush", flush)
        .on("here", here)
        .on("keeps", keeps)
}

/// A node, and a socket on it.
struct Node {
    app: App,
    socket: RawSocket,
    stage: Stage,
}

impl Node {
    async fn start(backend: RedisBackend, cookie: Option<&str>) -> (Self, String) {
        Self::start_with(sessions(backend), cookie).await
    }

    async fn start_with(layer: SessionLayer, cookie: Option<&str>) -> (Self, String) {
        let stage = Stage::default();
        let routes = Router::new()
            .route("/add", get(shop::http::visit))
            .route("/gated", get(http_gated))
            .route("/cycle", get(http_cycle))
            .route("/plain", get(plain));
        let application = with_sockets(routes, stage.clone(), |io| io.ns("/", connected()));
        let app = App::new(application.layer(layer));
        let cookie = match cookie {
            Some(cookie) => cookie.to_owned(),
            None => http::get(&app, "/add", None).await.new_cookie(),
        };
        let socket = RawSocket::connect(&app, Some(&cookie)).await;
        (Self { app, socket, stage }, cookie)
    }

    async fn send(&mut self, events: &[&str]) -> Vec<u64> {
        let mut numbers = Vec::new();
        for event in events {
            numbers.push(self.socket.ask_later("/", event, &[]).await);
        }
        numbers
    }

    async fn arrived(&mut self) {
        self.socket.ask("here", &[]).await;
    }

    async fn answer(&mut self, number: u64) -> Value {
        self.socket.answer("/", number).await
    }

    async fn answers(&mut self, numbers: Vec<u64>) -> Vec<Value> {
        let mut answers = Vec::new();
        for number in numbers {
            answers.push(self.answer(number).await);
        }
        answers
    }

    /// Sends a call and these behind it. When this returns the call stands at the gate, and its values were asked for
    /// after all others had come. Gives the numbers of all of them.
    async fn line_up(&mut self, events: &[&str]) -> Vec<u64> {
        let opens = self.socket.ask_later("/", "gated", &[]).await;
        self.stage.gate.reached().await;
        let mut numbers = self.send(&["gated"]).await;
        numbers.extend(self.send(events).await);
        self.arrived().await;
        self.stage.gate.open();
        self.stage.gate.reached().await;
        self.answer(opens).await;
        self.stage.ran.store(0, Ordering::SeqCst);
        numbers
    }

    /// Waits until so many handlers have done their work.
    async fn ran(&self, count: usize) {
        soon("handlers that have done their work", async {
            while self.stage.ran.load(Ordering::SeqCst) < count {
                sleep(milliseconds(1)).await;
            }
        })
        .await;
    }

    /// Sixteen events in flight, until so many are answered; gives what they counted.
    async fn hammer(mut self, events: usize) -> (Self, Vec<u64>) {
        let mut numbers = self.send(&["add"; 16]).await;
        let mut counts = Vec::new();
        for at in 0..events {
            counts.push(self.answer(numbers[at]).await.as_u64().unwrap());
            if numbers.len() < events {
                numbers.extend(self.send(&["add"]).await);
            }
        }
        (self, counts)
    }

    async fn is_told_nothing(&mut self) {
        let told = timeout(
            milliseconds(150),
            self.socket.wait("nothing", |packet| matches!(packet, Packet::Ack { .. })),
        );
        assert_eq!(told.await.ok(), None);
    }
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
    let (mut node, _) = Node::start(lasting(&server).await, None).await;
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
    let (mut node, _) = Node::start(lasting(&server).await, None).await;
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
    let (mut node, _) = Node::start(backend, None).await;
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

#[tokio::test]
async fn any_call_in_the_middle_of_a_line_has_its_place() {
    let server = RedisServer::start().await;
    let (mut node, _) = Node::start(lasting(&server).await, None).await;
    let events = ["add", "visits", "add", "both", "add", "fail", "panics", "look", "add", "visits"];
    let numbers = node.line_up(&events).await;
    node.stage.gate.open();
    let mut answers = node.answers(numbers).await;
    assert_eq!(answers.remove(7)["code"], "panicked");
    let expected = json!([3, 4, 4, 5, 6, 7, {"error": 1007}, "7", 8, 8]);
    assert_eq!(Value::from(answers), expected);
    nobody_has_a_lease(&server).await;
}

#[tokio::test]
async fn the_end_of_the_session_comes_after_those_before_it() {
    let server = RedisServer::start().await;
    let (mut node, _) = Node::start(lasting(&server).await, None).await;
    let numbers = node.line_up(&["add", "add", "flush"]).await;
    node.stage.gate.open();
    assert_eq!(node.answers(numbers).await, [json!(3), json!(4), json!(5), Value::Null]);
    node.socket.disconnected("/").await;
}

#[tokio::test]
async fn a_new_id_comes_after_those_before_it() {
    let server = RedisServer::start().await;
    let (mut node, cookie) = Node::start(lasting(&server).await, None).await;
    let opens = node.send(&["gated"]).await;
    node.stage.gate.reached().await;
    let numbers = node.send(&["gated", "add"]).await;
    node.arrived().await;
    let login = tokio::spawn({
        let (app, cookie) = (App::elsewhere(node.app.address()), cookie.clone());
        async move { http::get(&app, "/cycle", Some(&cookie)).await }
    });
    sleep(milliseconds(100)).await;
    node.stage.gate.open_for_all();
    assert_eq!(node.answers(opens).await, [json!(2)]);
    assert_eq!(node.answers(numbers).await, [json!(3), json!(4)]);
    let login = login.await.unwrap();
    let new = login.new_cookie();
    assert_eq!(login.json(), json!(5));
    assert_eq!(http::get(&node.app, "/add", Some(&new)).await.json(), json!(6));
}

#[tokio::test]
async fn a_call_that_is_cancelled_leaves_the_others() {
    let server = RedisServer::start().await;
    let (mut node, cookie) = Node::start(lasting(&server).await, None).await;
    let opens = node.send(&["gated"]).await;
    node.stage.gate.reached().await;
    let numbers = node.send(&["gated"]).await;
    node.arrived().await;
    let cancelled = http::begin(&node.app, "/gated", Some(&cookie)).await;
    sleep(milliseconds(100)).await;
    let after = node.send(&["add", "add"]).await;
    node.arrived().await;
    for _ in 0..2 {
        node.stage.gate.open();
        node.stage.gate.reached().await;
    }
    // It has a turn that was passed on to it.
    assert_eq!(node.answers(opens).await, [json!(2)]);
    assert_eq!(node.answers(numbers).await, [json!(3)]);
    drop(cancelled);
    assert_eq!(node.answers(after).await, [json!(4), json!(5)]);
    nobody_has_a_lease(&server).await;
}

/// Whoever is given what was never saved is told so, even if it wrote nothing; and nothing of it is written.
#[tokio::test]
async fn all_after_a_commit_that_failed_are_told() {
    for code in ["turn_lost", "session_ended", "backend"] {
        let server = RedisServer::start().await;
        let (mut node, cookie) = Node::start(lasting(&server).await, None).await;
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
    let (mut node, cookie) = Node::start(backend, None).await;
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
    let (mut node, _) = Node::start(backend, None).await;
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

/// Whatever was acknowledged before an event came, the event sees, though its node has values of before.
#[tokio::test]
async fn what_a_plain_session_wrote_before_an_event_came_is_not_missed() {
    let server = RedisServer::start().await;
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.send(&["gated"]).await;
    here.stage.gate.reached().await;
    http::get(&there.app, "/plain", Some(&cookie)).await.ok();
    let looks = here.send(&["look"]).await;
    here.arrived().await;
    here.stage.gate.open();
    assert_eq!(here.answers(numbers).await, [json!(2)]);
    assert_eq!(here.answers(looks).await, [json!("2plain")]);
    assert_eq!(stored(&server).await, json!({"visits": 2, "name": "plain"}));
}

/// A plain `Session` writes while a relay is under way: both are there.
#[tokio::test]
async fn what_a_plain_session_writes_meanwhile_is_kept() {
    let server = RedisServer::start().await;
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&["add"; 5]).await;
    http::get(&there.app, "/plain", Some(&cookie)).await.ok();
    here.stage.gate.open();
    assert_eq!(here.answers(numbers).await.last(), Some(&json!(8)));
    assert_eq!(stored(&server).await, json!({"visits": 8, "name": "plain"}));
}

#[tokio::test]
async fn another_node_has_its_turn_after_a_relay_of_64() {
    let server = RedisServer::start().await;
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (mut there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&["add"; 150]).await;
    let theirs = there.send(&["add"]).await;
    somebody_waits(&server).await;
    here.stage.gate.open();
    let first = here.answer(numbers[0]).await.as_u64().unwrap();
    let theirs = there.answer(theirs[0]).await.as_u64().unwrap();
    println!("150 waited here: another node had its turn after {}", theirs - first);
    assert!((1..=64).contains(&(theirs - first)), "{first}, then {theirs}");
    let mut answers = here.answers(numbers[1..].to_vec()).await;
    answers.extend([json!(first), json!(theirs)]);
    answers.sort_by_key(Value::as_u64);
    assert_eq!(answers, (first..first + 152).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_node_that_waits_comes_before_those_who_came_later() {
    let server = RedisServer::start().await;
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (mut there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&[]).await;
    let theirs = there.send(&["add"]).await;
    somebody_waits(&server).await;
    let later = here.send(&["add", "add"]).await;
    here.arrived().await;
    here.stage.gate.open();
    assert_eq!(here.answers(numbers).await, [json!(3)]);
    assert_eq!(there.answers(theirs).await, [json!(4)]);
    assert_eq!(here.answers(later).await, [json!(5), json!(6)]);
}

#[tokio::test]
async fn another_node_has_its_turn_within_half_a_lease() {
    let server = RedisServer::start().await;
    let (mut here, cookie) = Node::start(crate::node(&server).await, None).await;
    let (mut there, _) = Node::start(crate::node(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&["slow"; 20]).await;
    let theirs = there.send(&["add"]).await;
    somebody_waits(&server).await;
    here.stage.gate.open();
    let first = here.answer(numbers[0]).await.as_u64().unwrap();
    let theirs = there.answer(theirs[0]).await.as_u64().unwrap();
    // So many of 100 ms each begin in 500 ms, and one before them.
    assert!((1..=6).contains(&(theirs - first)), "{first}, then {theirs}");
    assert_eq!(here.answers(numbers[1..].to_vec()).await.last(), Some(&json!(first + 21)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_events_in_flight_all_the_time_take_less_than_a_script_each() {
    const EVENTS: usize = 2000;
    let server = RedisServer::start().await;
    let (node, _) = Node::start(lasting(&server).await, None).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    let began = Instant::now();
    let (_node, counts) = node.hammer(EVENTS).await;
    let scripts = server.calls("evalsha").await;
    println!("{EVENTS} events, 16 in flight: {scripts} scripts, {:?}", began.elapsed());
    assert_eq!(counts, (2..2 + EVENTS as u64).collect::<Vec<_>>());
    assert!(scripts < EVENTS as u64, "{scripts}");
}

/// The limit is for each call, not for all of a relay.
#[tokio::test]
async fn each_call_of_a_relay_may_hold_the_turn_as_long_as_any() {
    let server = RedisServer::start().await;
    let layer = sessions(lasting(&server).await).with_turn_limit(SECOND * 2);
    let (mut node, _) = Node::start_with(layer, None).await;
    let numbers = node.line_up(&["gated", "add"]).await;
    sleep(milliseconds(700)).await;
    node.stage.gate.open();
    node.stage.gate.reached().await;
    // More than two seconds after the lease was granted, and less after the turn was passed on.
    sleep(milliseconds(1500)).await;
    node.stage.gate.open();
    assert_eq!(node.answers(numbers).await, [json!(3), json!(4), json!(5)]);
}

/// Two nodes, 16 events in flight on each, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_hammer_one_session_both_get_on() {
    const EACH: usize = 600;
    let server = RedisServer::start().await;
    let (here, cookie) = Node::start(lasting(&server).await, None).await;
    let (there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    let began = Instant::now();
    let (one, two) = (tokio::spawn(here.hammer(EACH)), tokio::spawn(there.hammer(EACH)));
    let ((_one, ours), (_two, theirs)) = (one.await.unwrap(), two.await.unwrap());
    let scripts = server.calls("evalsha").await;
    println!("{} increments on two nodes: {:?}, {scripts} scripts", 2 * EACH, began.elapsed());
    assert!(ours.is_sorted() && theirs.is_sorted(), "each node's own order");
    let mut all: Vec<_> = ours.iter().chain(&theirs).copied().collect();
    all.sort_unstable();
    assert_eq!(all, (2..2 + 2 * EACH as u64).collect::<Vec<_>>());
    // The slower one had a good share of the turns while the faster one was at work.
    let until = ours[EACH - 1].min(theirs[EACH - 1]);
    let share = |counts: &[u64]| counts.iter().filter(|n| **n <= until).count();
    println!("until one was done: {} and {} turns", share(&ours), share(&theirs));
    assert!(share(&ours).min(share(&theirs)) > EACH / 8);
}

#[tokio::test]
async fn a_lease_that_is_passed_on_to_a_call_that_nobody_polls_is_given_back() {
    let redis = RedisServer::start().await;
    let (mut here, cookie) = Node::start(node(&redis).await, None).await;
    let (mut there, _) = Node::start(node(&redis).await, Some(&cookie)).await;
    let opens = here.socket.ask_later("/", "gated", &[]).await;
    here.stage.gate.reached().await;
    let passes_on = here.socket.ask_later("/", "gated", &[]).await;
    here.arrived().await;
    let keeps = here.socket.ask_later("/", "keeps", &[]).await;
    here.stage.kept.reached().await;
    let behind = here.socket.ask_later("/", "add", &[]).await;
    here.arrived().await;
    here.stage.gate.open();
    here.stage.gate.reached().await;
    here.answer(opens).await;
    let elsewhere = there.socket.ask_later("/", "add", &[]).await;
    somebody_waits(&redis).await;
    here.stage.gate.open();
    here.answer(passes_on).await;
    let mut counts = [here.answer(behind).await, there.answer(elsewhere).await];
    counts.sort_unstable_by_key(Value::as_u64);
    assert_eq!(counts, [4, 5], "before the one that is kept");
    here.stage.kept.open();
    assert_eq!(here.answer(keeps).await, 6);
}

/// Whatever becomes of each of them, and whoever else has turns between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_answers_of_a_sockets_events_come_in_the_order_of_their_turns() {
    let server = RedisServer::start().await;
    let (mut node, cookie) = Node::start(lasting(&server).await, None).await;
    let mut other = RawSocket::connect(&node.app, Some(&cookie)).await;
    for round in 0..60 {
        let events = ["add", "fail", "add", "add", "look", "add", "panics", "add", "add", "add"];
        let between = async {
            if round % 2 == 0 {
                for _ in 0..5 {
                    other.ask("add", &[]).await;
                }
            }
        };
        let requests = async {
            if round % 3 == 0 {
                http::get(&node.app, "/add", Some(&cookie)).await.ok();
            }
        };
        let socket = &mut node.socket;
        let answers = async {
            let mut numbers = Vec::new();
            for event in events {
                numbers.push(socket.ask_later("/", event, &[]).await);
            }
            (numbers, socket.next_answers(events.len()).await)
        };
        let ((sent, answered), (), ()) = tokio::join!(answers, between, requests);
        // A reader holds nobody up, and is answered when it likes.
        let of_writers =
            |numbers: Vec<u64>| numbers.into_iter().filter(|n| *n != sent[4]).collect::<Vec<_>>();
        assert_eq!(of_writers(answered), of_writers(sent.clone()), "round {round}");
    }
}
