//! A call inside of another one of its session, a handler behind an annotated middleware, never waits for what waits for
//! it: it is told at once. On a paused clock: who is told at once sees no time pass.
//!
//! Clauses: 4.

use std::{cell::RefCell, io, sync::Once, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use socketioxide_session::{Error, MemoryBackend, Shared, http_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, get as get_from},
    fixture::shop::{
        self, Cart, Counter, User,
        http::{add, both, items, visit, visits},
    },
    gate::Gate,
    http::Answer,
};
use tokio::time::{Instant, sleep};

#[http_handler(user)]
async fn writes_user(user: &mut User, request: Request, next: Next) -> Response {
    user.visits += 1;
    next.run(request).await
}

#[http_handler(user)]
async fn reads_user(user: &User, request: Request, next: Next) -> Response {
    let visits = user.visits;
    let response = next.run(request).await;
    assert_eq!(visits, user.visits, "a snapshot");
    response
}

#[http_handler(cart)]
async fn writes_cart(cart: &mut Cart, request: Request, next: Next) -> Response {
    cart.items.push(1);
    next.run(request).await
}

#[http_handler(user)]
async fn holds_user(user: &mut User, State(gate): State<Gate>, request: Request, next: Next) -> Response {
    user.visits += 1;
    gate.pass().await;
    next.run(request).await
}

#[http_handler(cart)]
async fn holds_cart(cart: &mut Cart, State(gate): State<Gate>, request: Request, next: Next) -> Response {
    cart.items.push(1);
    gate.pass().await;
    next.run(request).await
}

/// It has no state of its own.
async fn shared(cart: Shared<Cart>) -> Result<Json<usize>, Error> {
    cart.read().await.map(|cart| Json(cart.items.len()))
}

#[http_handler(counter)]
async fn reads_and_shares(counter: &Counter, cart: Shared<Cart>) -> Result<Json<usize>, Error> {
    let _ = counter.count;
    cart.update(|cart| cart.items.len()).await.map(Json)
}

/// Of these the log tells once a minute, each: only one test calls them.
#[http_handler(user)]
async fn told_of_visit(user: &mut User) {
    user.visits += 1;
}

#[http_handler(user)]
async fn told_of_visits(user: &User) {
    let _ = user;
}

#[http_handler(user, cart)]
async fn told_of_both(user: &mut User, cart: &mut Cart) {
    (user.visits, cart.items) = (0, Vec::new());
}

#[http_handler(cart)]
async fn told_of_items(cart: &Cart) {
    let _ = cart;
}

fn inner() -> Router<Gate> {
    Router::new()
        .route("/told/visit", get(told_of_visit))
        .route("/told/visits", get(told_of_visits))
        .route("/told/both", get(told_of_both))
        .route("/told/items", get(told_of_items))
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/items", get(items))
        .route("/both", get(both))
        .route("/add", get(add))
        .route("/shared", get(shared))
        .route("/reads-and-shares", get(reads_and_shares))
}

fn app() -> App {
    let routes = Router::new()
        .nest("/writes-user", inner().layer(from_fn(writes_user)))
        .nest("/reads-user", inner().layer(from_fn(reads_user)))
        .nest("/writes-both", inner().layer(from_fn(writes_user)).layer(from_fn(writes_cart)));
    shop::open_with(sessions(MemoryBackend::default()), routes, |_| {}).0
}

thread_local! {
    /// What was logged at `warn` on this thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// For all threads: whether a line is logged is decided once for all of them.
struct ThreadLog;

impl ThreadLog {
    fn begin() {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let subscriber =
                tracing_subscriber::fmt().with_writer(|| Self).with_max_level(tracing::Level::WARN);
            tracing::subscriber::set_global_default(subscriber.finish()).expect("the only one");
        });
    }

    fn text() -> String {
        LOG.with_borrow(|log| String::from_utf8_lossy(log).into_owned())
    }
}

impl io::Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_told(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.body.contains(what)), (500, true), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_wants_what_its_middleware_holds_is_told_at_once() {
    ThreadLog::begin();
    let browser = Client::new(&app());
    browser.get("/visit").await.ok();
    let began = Instant::now();
    let paths = ["visit", "visits", "both", "items"];
    for (before, path) in paths.into_iter().enumerate() {
        let path = format!("/writes-both/told/{path}");
        for _ in 0..2 {
            is_told(&browser.get(&path).await, "one of the two only");
            let log = ThreadLog::text();
            let lines = log.lines().filter(|line| line.contains("nested_turn")).count();
            assert_eq!(lines, before + 1, "{path}: {log}");
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(browser.get("/visits").await.json(), 1, "nothing was saved");
}

#[tokio::test(start_paused = true)]
async fn other_states_and_readers_around_stay_as_they_are() {
    let browser = Client::new(&app());
    browser.get("/visit").await.ok();
    browser.get("/writes-user/items").await.ok();
    browser.get("/writes-user/add").await.ok();
    browser.get("/reads-user/visit").await.ok();
    browser.get("/reads-user/both").await.ok();
    browser.get("/reads-user/shared").await.ok();
    browser.get("/writes-both/add").await.ok();
    // Visits: one before all, one in each middleware that writes, one in each of two handlers.
    assert_eq!(browser.get("/read").await.json(), serde_json::json!([6, 2]));
}

#[tokio::test(start_paused = true)]
async fn shared_is_told_whatever_lies_between() {
    let browser = Client::new(&app());
    browser.get("/visit").await.ok();
    for path in ["/writes-user/shared", "/writes-user/reads-and-shares"] {
        is_told(&browser.get(path).await, "name the state");
    }
    browser.get("/reads-user/reads-and-shares").await.ok();
}

/// Two middlewares that hold what the other one's handler wants, each with its gate.
fn crossed() -> (App, Gate, Gate) {
    let (of_user, of_cart) = (Gate::default(), Gate::default());
    let routes = Router::new()
        .nest("/user-then-cart", inner().layer(from_fn_with_state(of_user.clone(), holds_user)))
        .nest("/cart-then-user", inner().layer(from_fn_with_state(of_cart.clone(), holds_cart)));
    let (app, _) = shop::open_with(sessions(MemoryBackend::default()), routes, |_| {});
    (app, of_user, of_cart)
}

#[tokio::test(start_paused = true)]
async fn of_two_that_would_wait_for_each_other_the_later_one_is_told() {
    let (app, of_user, of_cart) = crossed();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    for wanted in ["/cart-then-user/visit", "/cart-then-user/visits"] {
        let first = browser.get("/user-then-cart/items");
        let second = browser.get(wanted);
        let director = async {
            of_user.reached().await;
            of_cart.reached().await;
            of_user.open();
            // Everybody else comes as far as they can.
            sleep(Duration::from_millis(1)).await;
            of_cart.open();
        };
        let began = Instant::now();
        let (first, second, ()) = tokio::join!(first, second, director);
        assert!(began.elapsed() < Duration::from_millis(10));
        is_told(&second, "in the same order");
        assert_eq!((first.status, &*first.body), (200, "[]"));
    }
    assert_eq!(browser.get("/read").await.json(), serde_json::json!([3, 0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_they_meet_nobody_waits_for_ever() {
    let (app, of_user, of_cart) = crossed();
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    of_user.open_for_all();
    of_cart.open_for_all();
    let began = Instant::now();
    for _ in 0..300 {
        let paths =
            ["/user-then-cart/both", "/user-then-cart/items", "/cart-then-user/visit", "/visit", "/both"];
        let tasks = paths.map(|path| tokio::spawn(get_from(&app, path, Some(&cookie))));
        for (task, path) in tasks.into_iter().zip(paths) {
            let answer = task.await.expect("an answer");
            let may_be_told = path.contains("then");
            assert!(answer.status == 200 || (may_be_told && answer.status == 500), "{path}: {}", answer.body);
        }
    }
    assert!(began.elapsed() < Duration::from_secs(20), "a wait ended at its limit");
}
