//! What a client sends as soon as it has heard CONNECT: while its connect function is held before its first wait.
//!
//! Clauses: 9.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    adapter::Adapter,
    extract::{AckSender, Data, Event, SocketRef, State},
};
use socketioxide_session::{
    EventRouter, MemoryBackend, Shared, connect_handler, socket_handler, testing::Packet,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    fixture::shop::Counter,
    gate::Gate,
    raw::event_frame,
    soon,
};
use tokio::{runtime::Handle, task::block_in_place};

/// What handlers say, in its order, and the gate where connect functions are held.
#[derive(Clone, Debug, Default)]
struct Stage {
    said: Arc<Mutex<Vec<String>>>,
    gate: Gate,
}

impl Stage {
    fn say(&self, what: impl Into<String>) {
        self.said.lock().expect("a list").push(what.into());
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().expect("a list").clone()
    }

    /// Holds a function up without a wait of its own, as a busy machine does; not for ever, so that a test can fail before it
    /// has opened the gate.
    fn hold(&self) {
        block_in_place(|| Handle::current().block_on(soon("a gate that opens", self.gate.pass())));
    }
}

#[socket_handler(counter)]
async fn add(counter: &mut Counter, Data(n): Data<u64>, State(stage): State<Stage>) -> u64 {
    stage.say(format!("add {n}"));
    counter.count += n;
    counter.count
}

/// Without an attribute.
async fn plain(Data(n): Data<u64>, ack: AckSender, State(stage): State<Stage>) {
    stage.say(format!("plain {n}"));
    ack.send(&n).ok();
}

/// Over any adapter.
async fn any<A: Adapter>(_: SocketRef<A>, Data(n): Data<u64>, ack: AckSender<A>, State(stage): State<Stage>) {
    stage.say(format!("any {n}"));
    ack.send(&n).ok();
}

#[socket_handler]
async fn gone(State(stage): State<Stage>) {
    stage.say("gone");
    stage.gate.pass().await;
}

/// Holds the counter's turn while it is held.
#[connect_handler(counter)]
async fn held(counter: &mut Counter, State(stage): State<Stage>) {
    counter.count += 100;
    stage.hold();
}

#[connect_handler]
async fn held_then_waits(State(stage): State<Stage>) {
    stage.hold();
    stage.gate.pass().await;
}

#[connect_handler]
async fn replaces(socket: SocketRef, State(stage): State<Stage>) {
    stage.hold();
    socket.on("plain", async |Data(n): Data<u64>, ack: AckSender| {
        ack.send(&format!("later {n}")).ok();
    });
}

#[connect_handler]
async fn registers_itself(socket: SocketRef, State(stage): State<Stage>) {
    stage.hold();
    socket.on("plain", plain);
}

#[connect_handler]
async fn falls_back(socket: SocketRef, State(stage): State<Stage>) {
    stage.hold();
    socket.on_fallback(async |Event(event): Event, ack: AckSender| {
        ack.send(&format!("fallback {event}")).ok();
    });
    stage.hold();
}

#[connect_handler]
async fn fails(State(stage): State<Stage>) -> Result<(), &'static str> {
    stage.hold();
    Err("not today")
}

#[connect_handler]
async fn panics(State(stage): State<Stage>) {
    stage.hold();
    panic!("as the test wants");
}

/// An extractor that is held, and fails.
struct Never;

impl<A: Adapter> socketioxide::handler::FromConnectParts<A> for Never {
    type Error = std::io::Error;

    fn from_connect_parts(
        socket: &Arc<socketioxide::socket::Socket<A>>,
        auth: &Option<socketioxide::handler::Value>,
    ) -> Result<Self, Self::Error> {
        let Ok(State(stage)) = State::<Stage>::from_connect_parts(socket, auth) else {
            unreachable!("a state")
        };
        stage.hold();
        Err(std::io::Error::other("as the test wants"))
    }
}

#[connect_handler]
async fn extracts_never(_never: Never, State(stage): State<Stage>) {
    stage.say("the function ran");
}

#[connect_handler]
async fn fails_later(State(stage): State<Stage>) -> Result<(), &'static str> {
    stage.gate.pass().await;
    Err("not today")
}

fn namespaces(io: &SocketIo) {
    let closure = |socket: SocketRef, Data(n): Data<u64>, ack: AckSender, State(stage): State<Stage>| async move {
        stage.say(format!("closure {n} in {}", socket.ns()));
        ack.send(&n).ok();
    };
    let echo = async |Data(n): Data<u64>, ack: AckSender| drop(ack.send(&n));
    let population = async |io: SocketIo, Data(namespace): Data<String>, ack: AckSender| {
        drop(ack.send(&io.of(namespace).map(|waits| waits.sockets().len())));
    };
    io.ns("/", EventRouter::new().on("echo", echo).on("population", population));
    io.ns("/held", held.on("add", add).on("plain", plain).on("any", any).on("closure", closure));
    io.ns("/twice", held.on("plain", any).on("add", add).on("plain", plain));
    io.ns("/waits", held_then_waits.on("add", add).on_disconnect(gone));
    io.ns("/replaces", replaces.on("plain", plain));
    io.ns("/bare", registers_itself);
    io.ns("/registers-itself", registers_itself.on("add", add));
    io.ns("/falls-back", falls_back.on("plain", plain));
    io.ns("/fails", fails.on("add", add).on_disconnect(gone));
    io.ns("/panics", panics.on("add", add).on_disconnect(gone));
    io.ns("/extracts-never", extracts_never.on("add", add).on_disconnect(gone));
    io.ns("/fails-bare", fails);
    io.ns("/fails-later", fails_later.on("add", add));
    io.dyn_ns("/rooms/{room}", held.on("closure", closure)).expect("a path");
}

fn app() -> (App, Stage) {
    let stage = Stage::default();
    let application = with_sockets(Router::new(), stage.clone(), namespaces);
    (App::new(application.layer(sessions(MemoryBackend::default()))), stage)
}

/// A client in this namespace whose connect function is held.
async fn early(namespace: &str) -> (Socket, Stage) {
    let (app, stage) = app();
    let client = Client::new(&app);
    let socket = client.socket().await;
    socket.join(namespace).await.expect("a connection");
    stage.gate.reached().await;
    (socket, stage)
}

/// Sends these events, and is back when the server has read them.
async fn send(socket: &mut Socket, namespace: &str, events: &[(&str, Value)]) {
    let frames: Vec<_> = (1000..)
        .zip(events)
        .map(|(id, (event, value))| event_frame(namespace, Some(id), event, std::slice::from_ref(value)))
        .collect();
    socket.send(&frames).await;
    assert_eq!(socket.ask("echo", &[json!(7)]).await, 7, "packets are read in their order");
}

async fn answers(socket: &Socket, namespace: &str, count: u64) -> Vec<Value> {
    let mut answers = Vec::new();
    for id in 1000..1000 + count {
        answers.push(socket.answer(namespace, id).await);
    }
    answers
}

/// Waits until nobody is in this namespace any more: a CONNECT that comes before is ignored by socketioxide.
async fn is_empty(socket: &mut Socket, namespace: &str) {
    let empty = async {
        while socket.ask("population", &[json!(namespace)]).await != 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the socket", empty).await;
}

fn too_early(answer: &Value) -> bool {
    answer["code"] == "too_early" && answer["error"].is_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_every_kind_of_handler_are_kept_and_go_in_their_order() {
    let (mut socket, stage) = early("/held").await;
    let kinds = ["plain", "any", "closure"];
    let events: Vec<_> = (0..9).map(|n| (kinds[n % 3], json!(n))).collect();
    send(&mut socket, "/held", &events).await;
    assert_eq!(stage.said(), [""; 0], "nothing goes before the function's first wait");
    stage.gate.open();
    let numbers: Vec<_> = (0..9).map(|n| json!(n)).collect();
    assert_eq!(answers(&socket, "/held", 9).await, numbers);
    let mut said = stage.said();
    // Plain handlers run on tasks of their own, as they do in socketioxide.
    said.sort_unstable_by_key(|line| line.chars().find(char::is_ascii_digit));
    assert_eq!(said[..3], ["plain 0", "any 1", "closure 2 in /held"]);
    assert_eq!(said.len(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotated_ones_take_their_places_in_their_order_behind_the_functions_turn() {
    let (mut socket, stage) = early("/held").await;
    let events: Vec<_> = (1..=20).map(|n| ("add", json!(n))).collect();
    send(&mut socket, "/held", &events).await;
    assert_eq!(stage.said(), [""; 0]);
    stage.gate.open();
    let sums: Vec<_> = (1..=20_u64).map(|n| json!(100 + n * (n + 1) / 2)).collect();
    assert_eq!(answers(&socket, "/held", 20).await, sums);
    let in_order: Vec<_> = (1..=20).map(|n| format!("add {n}")).collect();
    assert_eq!(stage.said(), in_order);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_the_first_wait_goes_at_once() {
    let (mut socket, stage) = early("/waits").await;
    stage.gate.open();
    stage.gate.reached().await;
    // The function waits now, and has not ended.
    assert_eq!(socket.ask_in("/waits", "add", &[json!(1)]).await, 1);
    assert!(too_early(&socket.ask_in("/waits", "nobody's", &[json!(1)]).await), "it may still be registered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_handler_given_for_an_event_counts() {
    let (mut socket, stage) = early("/twice").await;
    send(&mut socket, "/twice", &[("plain", json!(1))]).await;
    stage.gate.open();
    assert_eq!(answers(&socket, "/twice", 1).await, [json!(1)]);
    assert_eq!(socket.ask_in("/twice", "plain", &[json!(2)]).await, 2);
    assert_eq!(stage.said(), ["plain 1", "plain 2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_function_registers_replaces_it_for_what_comes_later() {
    let (mut socket, stage) = early("/replaces").await;
    send(&mut socket, "/replaces", &[("plain", json!(1))]).await;
    stage.gate.open();
    assert_eq!(answers(&socket, "/replaces", 1).await, [json!(1)]);
    assert_eq!(socket.ask_in("/replaces", "plain", &[json!(2)]).await, "later 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_a_handler_is_answered_too_early() {
    let (mut socket, stage) = early("/held").await;
    socket.send(&[event_frame("/held", None, "nobody's", &[json!(1)])]).await;
    send(&mut socket, "/held", &[("nobody's", json!(1)), ("plain", json!(2))]).await;
    stage.gate.open();
    let answers = answers(&socket, "/held", 2).await;
    assert!(too_early(&answers[0]) && answers[1] == 2, "{answers:?}");
    assert!(too_early(&socket.event("session_error").await[0]));
}

/// What `on` is for. Beside `on`, the client is told at least.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_function_registers_itself_misses_what_comes_early() {
    let (mut socket, stage) = early("/bare").await;
    send(&mut socket, "/bare", &[("plain", json!(1))]).await;
    stage.gate.open();
    let registered = async {
        while stage.said().is_empty() {
            socket.send(&[event_frame("/bare", None, "plain", &[json!(2)])]).await;
            tokio::task::yield_now().await;
        }
    };
    soon("the function's own handler", registered).await;
    assert!(!stage.said().contains(&"plain 1".to_owned()), "as in socketioxide");
    let (mut socket, stage) = early("/registers-itself").await;
    send(&mut socket, "/registers-itself", &[("plain", json!(1))]).await;
    stage.gate.open();
    assert!(too_early(&answers(&socket, "/registers-itself", 1).await[0]));
    assert_eq!(socket.ask_in("/registers-itself", "plain", &[json!(2)]).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_of_the_function_gets_what_comes_after_it() {
    let (mut socket, stage) = early("/falls-back").await;
    send(&mut socket, "/falls-back", &[("before", json!(1))]).await;
    stage.gate.open();
    stage.gate.reached().await;
    // The fallback is there, and the function has not waited yet.
    assert_eq!(socket.ask_in("/falls-back", "after", &[json!(1)]).await, "fallback after");
    stage.gate.open();
    assert!(too_early(&answers(&socket, "/falls-back", 1).await[0]), "it is told, not lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_events_are_kept_and_those_past_them_refused() {
    let (mut socket, stage) = early("/held").await;
    // An annotated handler's answer waits for room in the buffer.
    let events = vec![("add", json!(1)); 1010];
    send(&mut socket, "/held", &events).await;
    stage.gate.open();
    let answers = answers(&socket, "/held", 1010).await;
    for (n, answer) in answers.iter().enumerate() {
        if n < 1000 {
            assert_eq!(*answer, 101 + n);
        } else {
            assert_eq!(answer["code"], "too_many_waiters", "event {n}");
        }
    }
}

/// The function fails before its first wait: told so, what was kept is refused, and the socket is gone.
async fn is_not_set_up(namespace: &str, told: impl Fn(&Value) -> bool) {
    let (mut socket, stage) = early(namespace).await;
    send(&mut socket, namespace, &[("add", json!(1)), ("nobody's", json!(2)), ("add", json!(3))]).await;
    stage.gate.open();
    let error = socket.event("session_error").await;
    assert!(told(&error[0]), "{error:?}");
    let answers = answers(&socket, namespace, 3).await;
    assert!(answers.iter().all(too_early), "{answers:?}");
    socket.disconnected(namespace).await;
    assert_eq!(stage.said(), [""; 0], "neither a handler runs nor the disconnect handler");
    // The connection lives on, and so can the namespace be joined again.
    is_empty(&mut socket, namespace).await;
    socket.join(namespace).await.expect("a connection");
    stage.gate.open();
    socket.disconnected(namespace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_err_before_the_first_wait_refuses_what_was_kept() {
    is_not_set_up("/fails", |error| *error == json!({ "error": "not today" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_before_the_first_wait_refuses_what_was_kept() {
    is_not_set_up("/panics", |error| error["code"] == "panicked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extractor_that_fails_refuses_what_was_kept() {
    is_not_set_up("/extracts-never", |error| error["code"] == "bad_argument").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_handlers_given_a_function_that_fails_at_once_is_disconnected_too() {
    let (socket, stage) = early("/fails-bare").await;
    stage.gate.open();
    assert_eq!(socket.event("session_error").await, [json!({ "error": "not today" })]);
    socket.disconnected("/fails-bare").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_fails_after_its_first_wait_is_told_and_stays() {
    let (mut socket, stage) = early("/fails-later").await;
    assert_eq!(socket.ask_in("/fails-later", "add", &[json!(1)]).await, 1);
    stage.gate.open();
    assert_eq!(socket.event("session_error").await, [json!({ "error": "not today" })]);
    assert_eq!(socket.ask_in("/fails-later", "add", &[json!(1)]).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disconnect_handler_runs_though_the_client_left_first() {
    let (mut socket, stage) = early("/waits").await;
    send(&mut socket, "/waits", &[("add", json!(1))]).await;
    socket.send(&[Packet::Disconnect { namespace: "/waits".to_owned() }.to_string()]).await;
    assert_eq!(socket.ask("echo", &[json!(1)]).await, 1);
    assert_eq!(stage.said(), [""; 0]);
    stage.gate.open();
    // The function waits, and the disconnect handler has come: in which order, is theirs. The event runs beside them.
    stage.gate.reached().await;
    stage.gate.reached().await;
    let both = async {
        while stage.said().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("the event and the disconnect handler", both).await;
    let mut said = stage.said();
    said.sort_unstable();
    assert_eq!(said, ["add 1", "gone"]);
    stage.gate.open_for_all();
    is_empty(&mut socket, "/waits").await;
    socket.join("/waits").await.expect("a connection");
    socket.send(&[Packet::Disconnect { namespace: "/waits".to_owned() }.to_string()]).await;
    let gone = async {
        while stage.said().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    soon("the disconnect handler", gone).await;
    assert_eq!(stage.said()[2], "gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamic_namespaces_keep_what_comes_early() {
    let (mut socket, stage) = early("/rooms/7").await;
    send(&mut socket, "/rooms/7", &[("closure", json!(1)), ("closure", json!(2))]).await;
    assert_eq!(stage.said(), [""; 0]);
    stage.gate.open();
    assert_eq!(answers(&socket, "/rooms/7", 2).await, [json!(1), json!(2)]);
    socket.join("/rooms/8").await.expect("a connection");
    stage.gate.open();
    assert_eq!(socket.ask_in("/rooms/8", "closure", &[json!(3)]).await, 3);
    assert!(stage.said().contains(&"closure 3 in /rooms/8".to_owned()));
}

/// `Shared` in a closure that is given with `on`, and one value shared by the router and the function.
#[tokio::test]
async fn a_router_alone_needs_no_function() {
    let stage = Stage::default();
    let count = async |counter: Shared<Counter>, ack: AckSender| {
        let count = counter
            .update(|counter| {
                counter.count += 1;
                counter.count
            })
            .await;
        ack.send(&count.ok()).ok();
    };
    let namespaces =
        |io: &SocketIo| io.ns("/", EventRouter::new().on("count", count).on(String::from("add"), add));
    let application = with_sockets(Router::new(), stage, namespaces);
    let client = Client::of(application.layer(sessions(MemoryBackend::default())));
    let mut socket = client.socket().await;
    assert_eq!(socket.ask("count", &[]).await, 1);
    assert_eq!(socket.ask("add", &[json!(5)]).await, 6);
}
