//! Runs: calls that wait on one node have their turns one after the other under one lease, and commit together; on any engine.

use std::{
    future::ready,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Json, Router, extract::State as HttpState, routing::get};
use serde_json::{Value, json};
use socketioxide::extract::State as SocketState;
use socketioxide_session::{
    Error, EventRouter, SessionControl, SessionLayer, Shared, http_handler, socket_handler, testing::Packet,
};
use tokio::time::{Instant, sleep, timeout};
use tower_sessions::Session;

use super::Server;
use crate::{
    app::{App, with_sockets},
    fixture::shop::{self, Counter, User},
    gate::Gate,
    http,
    raw::RawSocket,
    records::{SECOND, milliseconds},
    soon,
};

/// What handlers share with their test.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    pub gate: Gate,
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
#[derive(Debug)]
pub struct Node {
    pub app: App,
    pub socket: RawSocket,
    pub stage: Stage,
}

impl Node {
    pub async fn start(layer: SessionLayer, cookie: Option<&str>) -> (Self, String) {
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

    pub async fn send(&mut self, events: &[&str]) -> Vec<u64> {
        let mut numbers = Vec::new();
        for event in events {
            numbers.push(self.socket.ask_later("/", event, &[]).await);
        }
        numbers
    }

    pub async fn arrived(&mut self) {
        self.socket.ask("here", &[]).await;
    }

    pub async fn answer(&mut self, number: u64) -> Value {
        self.socket.answer("/", number).await
    }

    pub async fn answers(&mut self, numbers: Vec<u64>) -> Vec<Value> {
        let mut answers = Vec::new();
        for number in numbers {
            answers.push(self.answer(number).await);
        }
        answers
    }

    /// Sends a call and these behind it. When this returns the call stands at the gate, and its values were asked for
    /// after all others had come. Gives the numbers of all of them.
    pub async fn line_up(&mut self, events: &[&str]) -> Vec<u64> {
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
    pub async fn ran(&self, count: usize) {
        soon("handlers that have done their work", async {
            while self.stage.ran.load(Ordering::SeqCst) < count {
                sleep(milliseconds(1)).await;
            }
        })
        .await;
    }

    /// Sixteen events in flight, until so many are answered; gives what they counted.
    pub async fn hammer(mut self, events: usize) -> (Self, Vec<u64>) {
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

    pub async fn is_told_nothing(&mut self) {
        let told = timeout(
            milliseconds(150),
            self.socket.wait("nothing", |packet| matches!(packet, Packet::Ack { .. })),
        );
        assert_eq!(told.await.ok(), None);
    }
}

/// With a lease that outlives all pauses.
async fn lasting(server: &Server) -> SessionLayer {
    server.node_with_lease(SECOND * 60).await
}

/// Whose turns outlive it for a second.
async fn brief(server: &Server) -> SessionLayer {
    server.node_with_lease(SECOND).await
}

pub async fn any_call_in_the_middle_of_a_line_has_its_place(server: Server) {
    let (mut node, _) = Node::start(lasting(&server).await, None).await;
    let events = ["add", "visits", "add", "both", "add", "fail", "panics", "look", "add", "visits"];
    let numbers = node.line_up(&events).await;
    node.stage.gate.open();
    let mut answers = node.answers(numbers).await;
    assert_eq!(answers.remove(7)["code"], "panicked");
    let expected = json!([3, 4, 4, 5, 6, 7, {"error": 1007}, "7", 8, 8]);
    assert_eq!(Value::from(answers), expected);
    server.nobody_has_a_lease().await;
}

pub async fn the_end_of_the_session_comes_after_those_before_it(server: Server) {
    let (mut node, _) = Node::start(lasting(&server).await, None).await;
    let numbers = node.line_up(&["add", "add", "flush"]).await;
    node.stage.gate.open();
    assert_eq!(node.answers(numbers).await, [json!(3), json!(4), json!(5), Value::Null]);
    node.socket.disconnected("/").await;
}

pub async fn a_new_id_comes_after_those_before_it(server: Server) {
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

pub async fn a_call_that_is_cancelled_leaves_the_others(server: Server) {
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
    server.nobody_has_a_lease().await;
}

/// Whatever was acknowledged before an event came, the event sees, though its node has values of before.
pub async fn what_a_plain_session_wrote_before_an_event_came_is_not_missed(server: Server) {
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
    assert_eq!(server.stored("user").await, json!({"visits": 2, "name": "plain"}));
}

/// A plain `Session` writes while a relay is under way: both are there.
pub async fn what_a_plain_session_writes_meanwhile_is_kept(server: Server) {
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&["add"; 5]).await;
    http::get(&there.app, "/plain", Some(&cookie)).await.ok();
    here.stage.gate.open();
    assert_eq!(here.answers(numbers).await.last(), Some(&json!(8)));
    assert_eq!(server.stored("user").await, json!({"visits": 8, "name": "plain"}));
}

pub async fn another_node_has_its_turn_after_a_relay_of_64(server: Server) {
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (mut there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&["add"; 150]).await;
    let theirs = there.send(&["add"]).await;
    server.somebody_waits().await;
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

pub async fn another_node_that_waits_comes_before_those_who_came_later(server: Server) {
    let (mut here, cookie) = Node::start(lasting(&server).await, None).await;
    let (mut there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&[]).await;
    let theirs = there.send(&["add"]).await;
    server.somebody_waits().await;
    let later = here.send(&["add", "add"]).await;
    here.arrived().await;
    here.stage.gate.open();
    assert_eq!(here.answers(numbers).await, [json!(3)]);
    assert_eq!(there.answers(theirs).await, [json!(4)]);
    assert_eq!(here.answers(later).await, [json!(5), json!(6)]);
}

pub async fn another_node_has_its_turn_within_half_a_lease(server: Server) {
    let (mut here, cookie) = Node::start(brief(&server).await, None).await;
    let (mut there, _) = Node::start(brief(&server).await, Some(&cookie)).await;
    let numbers = here.line_up(&["slow"; 20]).await;
    let theirs = there.send(&["add"]).await;
    server.somebody_waits().await;
    here.stage.gate.open();
    let first = here.answer(numbers[0]).await.as_u64().unwrap();
    let theirs = there.answer(theirs[0]).await.as_u64().unwrap();
    // So many of 100 ms each begin in 500 ms, and one before them.
    assert!((1..=6).contains(&(theirs - first)), "{first}, then {theirs}");
    assert_eq!(here.answers(numbers[1..].to_vec()).await.last(), Some(&json!(first + 21)));
}

/// The limit is for each call, not for all of a relay.
pub async fn each_call_of_a_relay_may_hold_the_turn_as_long_as_any(server: Server) {
    let layer = lasting(&server).await.with_turn_limit(SECOND * 2);
    let (mut node, _) = Node::start(layer, None).await;
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
pub async fn two_nodes_that_hammer_one_session_both_get_on(server: Server) {
    const EACH: usize = 600;
    let (here, cookie) = Node::start(lasting(&server).await, None).await;
    let (there, _) = Node::start(lasting(&server).await, Some(&cookie)).await;
    let began = Instant::now();
    let (one, two) = (tokio::spawn(here.hammer(EACH)), tokio::spawn(there.hammer(EACH)));
    let ((_one, ours), (_two, theirs)) = (one.await.unwrap(), two.await.unwrap());
    println!("{} increments on two nodes: {:?}", 2 * EACH, began.elapsed());
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

pub async fn a_lease_that_is_passed_on_to_a_call_that_nobody_polls_is_given_back(server: Server) {
    let (mut here, cookie) = Node::start(brief(&server).await, None).await;
    let (mut there, _) = Node::start(brief(&server).await, Some(&cookie)).await;
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
    server.somebody_waits().await;
    here.stage.gate.open();
    here.answer(passes_on).await;
    let mut counts = [here.answer(behind).await, there.answer(elsewhere).await];
    counts.sort_unstable_by_key(Value::as_u64);
    assert_eq!(counts, [4, 5], "before the one that is kept");
    here.stage.kept.open();
    assert_eq!(here.answer(keeps).await, 6);
}

/// Whatever becomes of each of them, and whoever else has turns between them.
pub async fn the_answers_of_a_sockets_events_come_in_the_order_of_their_turns(server: Server) {
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
