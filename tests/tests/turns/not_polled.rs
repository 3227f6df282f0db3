//! A call that waits for its turn in a future that is kept and not polled holds up the others for some milliseconds only,
//! and is first again when it is polled. An event, whose task is always polled, keeps its place on a busy machine.
//!
//! Clauses: 3, 4.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::get};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use socketioxide::{
    adapter::Adapter,
    extract::State as SocketState,
    handler::{FromMessageParts, Value as Packet},
    socket::Socket,
};
use socketioxide_session::{
    Error, EventRouter, MemoryBackend, SessionLayer, Shared, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    busy::Busy,
    client::{Client, Socket as ClientSocket, get as get_from},
    fixture::shop::{self, Cart, Counter, HELD},
    gate::Gate,
    http::Browser,
    raw::event_frame,
};
use tokio::time::{Instant, sleep};

/// All limits of the turns, where no time passes but that which is waited for.
const LIMIT: Duration = Duration::from_secs(1);

/// As many updates as are joined at once and not polled.
const BUFFERED: usize = 100;

#[derive(Clone, Default)]
struct Stage {
    /// Where a turn is held.
    held: Gate,
    /// Where a future is kept that is not polled.
    kept: Gate,
}

fn add_one(counter: &mut Counter) -> u64 {
    counter.count += 1;
    counter.count
}

/// Begins to wait for the turn, then looks after something else, and comes back.
async fn keep<T>(update: impl Future<Output = T>, kept: Gate) -> T {
    let mut update = pin!(update);
    tokio::select! {
        biased;
        _ = &mut update => panic!("somebody holds the turn"),
        () = std::future::ready(()) => {}
    }
    kept.pass().await;
    update.await
}

async fn selects(counter: Shared<Counter>, State(stage): State<Stage>) -> Result<Json<u64>, Error> {
    keep(counter.update(add_one), stage.kept).await.map(Json)
}

async fn buffers(counter: Shared<Counter>, State(stage): State<Stage>) -> Json<Vec<u64>> {
    let updates = stream::iter(0..BUFFERED).map(|_| counter.update(add_one)).buffered(BUFFERED);
    let mut updates = pin!(updates);
    let first = keep(updates.next(), stage.kept).await;
    let rest = updates.collect::<Vec<_>>().await;
    Json(first.into_iter().chain(rest).map(|counted| counted.expect("a turn")).collect())
}

#[http_handler(counter)]
async fn hold(counter: &mut Counter, State(stage): State<Stage>) {
    counter.count += HELD;
    stage.held.pass().await;
}

#[socket_handler]
async fn socket_selects(
    counter: Shared<Counter>,
    SocketState(stage): SocketState<Stage>,
) -> Result<u64, Error> {
    keep(counter.update(add_one), stage.kept).await
}

fn connected() -> EventRouter {
    EventRouter::new().on("selects", socket_selects).on("add", shop::sockets::add)
}

fn memory() -> SessionLayer {
    sessions(MemoryBackend::default())
}

fn app(limit: Duration) -> (App, Stage) {
    let stage = Stage::default();
    let routes = Router::new()
        .route("/selects", get(selects))
        .route("/buffers", get(buffers))
        .route("/hold", get(hold))
        .route("/add", get(shop::http::add))
        .route("/count", get(shop::http::count));
    let application = with_sockets(routes, stage.clone(), |io| io.ns("/", connected()));
    let layer = memory().with_turn_timeout(limit).with_turn_limit(limit);
    (App::new(application.layer(layer)), stage)
}

/// One that is kept unpolled while others have the turn, then polled again while somebody holds the turn and others
/// wait: it is before these.
#[tokio::test(start_paused = true)]
async fn one_that_is_kept_lets_others_pass_and_is_first_again() {
    let (app, Stage { held, kept }) = app(LIMIT);
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let cookie = browser.session();
    let start = |path| tokio::spawn(get_from(&app, path, Some(&cookie)));
    let mut socket = ClientSocket::connect(&app, Some(&cookie)).await;
    for by_socket in [false, true] {
        let before = browser.get("/count").await.json().as_u64().expect("a number");
        let holder = start("/hold");
        held.reached().await;
        let (mut request, mut event) = (None, None);
        if by_socket {
            event = Some(socket.ask_later("/", "selects", &[]).await);
        } else {
            request = Some(start("/selects"));
        }
        kept.reached().await;
        held.open();
        holder.await.expect("an answer").ok();

        let began = Instant::now();
        assert_eq!(browser.get("/add").await.json(), before + HELD + 1);
        assert_eq!(browser.get("/add").await.json(), before + HELD + 2);
        assert!(began.elapsed() < LIMIT / 10, "{:?}", began.elapsed());

        let holder = start("/hold");
        held.reached().await;
        let waiting = [start("/add"), start("/add")];
        sleep(Duration::from_millis(1)).await;
        kept.open();
        sleep(Duration::from_millis(1)).await;
        held.open();
        holder.await.expect("an answer").ok();
        let back = match (request, event) {
            (Some(request), _) => request.await.expect("an answer").json(),
            (_, Some(event)) => socket.answer("/", event).await,
            _ => unreachable!("one of them"),
        };
        assert_eq!(back, before + 2 * HELD + 3, "it is first");
        for request in waiting {
            request.await.expect("an answer").ok();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_that_are_kept_in_a_stream_hold_up_nobody() {
    let (app, Stage { held, kept }) = app(LIMIT);
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let cookie = browser.session();
    let start = |path| tokio::spawn(get_from(&app, path, Some(&cookie)));
    let holder = start("/hold");
    held.reached().await;
    let buffered = start("/buffers");
    kept.reached().await;
    held.open();
    holder.await.expect("an answer").ok();
    let began = Instant::now();
    for n in 1..=3 {
        assert_eq!(browser.get("/add").await.json(), 1 + HELD + n);
    }
    assert!(began.elapsed() < LIMIT / 5, "{:?}", began.elapsed());
    kept.open();
    let counts: Vec<_> = (0..BUFFERED as u64).map(|n| 1 + HELD + 4 + n).collect();
    assert_eq!(buffered.await.expect("an answer").json(), json!(counts), "in their order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_real_http_on_a_busy_machine_others_go_on_within_the_limit() {
    let (app, Stage { held, kept }) = app(LIMIT);
    let browser = Browser::new(&app);
    browser.get("/add").await.ok();
    let mut socket = ClientSocket::connect(&app, Some(&browser.cookie().expect("a session"))).await;
    let _busy = Busy::threads(3);
    let director = async {
        held.reached().await;
        let selects = browser.get("/selects");
        let meanwhile = async {
            kept.reached().await;
            held.open();
            browser.get("/add").await.ok();
            assert!(socket.ask("add", &[]).await.is_u64(), "no error");
            kept.open();
        };
        tokio::join!(selects, meanwhile).0
    };
    let (holder, selects) = tokio::join!(browser.get("/hold"), director);
    holder.ok();
    selects.ok();
}

/// An extractor of the event behind, which keeps the thread for long: the task of the one before it, which has its place by
/// then, is late.
struct Slow;

const LATE: u64 = 500;

static COME: AtomicBool = AtomicBool::new(false);

impl<A: Adapter> FromMessageParts<A> for Slow {
    type Error = Infallible;

    fn from_message_parts(_: &Arc<Socket<A>>, _: &mut Packet, _: &Option<i64>) -> Result<Self, Infallible> {
        COME.store(true, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(300));
        Ok(Self)
    }
}

#[socket_handler]
async fn slow(_: Slow) {}

#[socket_handler(cart)]
async fn push_by_event(cart: &mut Cart) -> usize {
    cart.items.push(1);
    cart.items.len()
}

#[http_handler(cart)]
async fn push_by_request(cart: &mut Cart) -> Json<usize> {
    cart.items.push(2);
    Json(cart.items.len())
}

fn slow_connected() -> EventRouter {
    shop::events().on("push by event", push_by_event).on("slow", slow)
}

fn shop_with_slow_events() -> App {
    let routes = Router::new().route("/push", get(push_by_request));
    shop::open_with(memory(), routes, |io| io.ns("/", slow_connected())).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_whose_task_is_late_keeps_its_place() {
    let app = shop_with_slow_events();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let socket = ClientSocket::connect(&app, Some(&browser.session())).await;
    let events =
        [(Some(LATE), "push by event"), (None, "slow")].map(|(ack, event)| event_frame("/", ack, event, &[]));
    socket.send(&events).await;
    while !COME.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    assert_eq!(browser.get("/push").await.json(), 2);
    assert_eq!(socket.answer("/", LATE).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_keep_their_order_on_a_busy_machine() {
    const EVENTS: u64 = 2000;
    let app = shop_with_slow_events();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let mut socket = ClientSocket::connect(&app, Some(&browser.session())).await;
    let _busy = Busy::threads(3);
    let events: Vec<(&str, Value)> = (0..EVENTS).map(|n| ("push", json!(n))).collect();
    socket.ask_all(&events).await;
    assert_eq!(socket.ask("items", &[]).await, json!((0..EVENTS).collect::<Vec<_>>()));
}
