//! What is asked of the session itself is carried out with its call, or not at all; whoever asks too late, or for somebody
//! else's session, is told.
//!
//! Clauses: 1, 5, 6.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use serde_json::json;
use socketioxide_session::{
    Error, Expiry, MemoryBackend, Session, SessionControl, SessionLayer, Shared, StoreBackend,
    connect_handler, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::sessions,
    client::{self, Client, Socket, begin},
    fixture::shop::{self, Cart, User},
    gate::Gate,
    http::Answer,
    soon,
    stores::{Step, TestStore},
};

const LONG: Expiry = Expiry::OnInactivity(time::Duration::days(30));

/// As the codes of the errors of what was tried.
fn code(outcome: &Result<(), Error>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.kind().code(), |()| "ok")
}

/// What each method of a control says now.
fn ask_all(control: &SessionControl) -> Vec<&'static str> {
    let asked = [control.cycle_id(), control.set_expiry(LONG), control.keep_changes(), control.flush()];
    asked.iter().map(code).collect()
}

// A handler that is given up.

/// As tower-http's `TimeoutLayer` does when its time is over: the inner future goes, the answer is 408.
async fn give_up(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    tokio::select! {
        biased;
        () = gate.pass() => StatusCode::REQUEST_TIMEOUT.into_response(),
        response = next.run(request) => response,
    }
}

#[http_handler(user)]
async fn ask_and_hang(user: &mut User, control: SessionControl, State(inside): State<Gate>) {
    user.visits += 1000;
    control.cycle_id().expect("a session whose id can change");
    control.set_expiry(LONG).expect("a session to keep for longer");
    control.keep_changes().expect("a session to keep changes of");
    inside.pass().await;
}

#[http_handler(user)]
async fn flush_and_hang(user: &mut User, control: SessionControl, State(inside): State<Gate>) {
    user.visits += 1000;
    control.flush().expect("a session to end");
    inside.pass().await;
}

/// A browser; where handlers hang; and what lets them be given up.
fn giving_up(layer: SessionLayer) -> (Client, Gate, Gate) {
    let gate = Gate::default();
    let hanging = Router::new()
        .route("/ask-and-hang", get(ask_and_hang))
        .route("/flush-and-hang", get(flush_and_hang))
        .layer(from_fn_with_state(gate.clone(), give_up));
    let (app, inside) = shop::open_with(layer, hanging, |_| ());
    (Client::new(&app), inside, gate)
}

/// The answer to a request whose handler is given up in its middle.
async fn given_up(path: &str, browser: &Client, inside: &Gate, gate: &Gate) -> Answer {
    let in_its_middle = async {
        inside.reached().await;
        gate.open();
    };
    tokio::join!(browser.get(path), in_its_middle).0
}

#[tokio::test]
async fn what_a_handler_that_was_given_up_asked_for_goes_with_its_changes() {
    let store = TestStore::default();
    let (browser, inside, gate) = giving_up(sessions(StoreBackend::new(store.clone())));
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let answer = given_up("/ask-and-hang", &browser, &inside, &gate).await;
    assert_eq!((answer.status, answer.set_cookies().len()), (408, 0));
    assert!(store.has(&cookie) && store.lives(&cookie) < time::Duration::days(20));
    assert_eq!(browser.get("/visit").await.ok(), "2");
}

#[tokio::test]
async fn an_end_that_a_handler_that_was_given_up_asked_for_is_carried_out() {
    let store = TestStore::default();
    let (browser, inside, gate) = giving_up(sessions(StoreBackend::new(store.clone())));
    browser.get("/visit").await.ok();
    assert_eq!(given_up("/flush-and-hang", &browser, &inside, &gate).await.status, 408);
    assert!(store.is_empty());
    assert_eq!(browser.cookie(), None);
}

// Controls that are kept.

type Kept = Arc<Mutex<Option<SessionControl>>>;
type Said = tokio::sync::mpsc::UnboundedSender<Vec<&'static str>>;

/// Asks in the body of the response, which leaves when the request is over.
async fn ask_in_the_body(control: SessionControl) -> Response {
    let late = stream::once(async move { Ok::<_, Error>(ask_all(&control).join(" ")) });
    Response::new(Body::from_stream(late))
}

/// Asks in a task, when the test opens the gate.
async fn ask_in_a_task(control: SessionControl, State((gate, said)): State<(Gate, Said)>) {
    tokio::spawn(async move {
        gate.pass().await;
        said.send(ask_all(&control)).ok();
    });
}

#[tokio::test]
async fn a_control_kept_past_its_request_is_refused() {
    let (said, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let gate = Gate::default();
    let routes = Router::new()
        .route("/body", get(ask_in_the_body))
        .route("/task", get(ask_in_a_task))
        .with_state((gate.clone(), said));
    let (app, _) = shop::open_with(sessions(MemoryBackend::default()), routes, |_| ());
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    let unavailable = ["unavailable"; 4];
    assert_eq!(browser.get("/body").await.ok(), unavailable.join(" "));
    browser.get("/task").await.ok();
    gate.open();
    assert_eq!(soon("what the task was told", hears.recv()).await, Some(unavailable.to_vec()));
    assert_eq!(browser.get("/visit").await.ok(), "2");
    assert_eq!(browser.session(), cookie);
}

#[connect_handler(user)]
async fn keeping(user: &User, control: SessionControl, kept: socketioxide::extract::State<Kept>) {
    if user.name.is_some() {
        *kept.lock().expect("a lock") = Some(control.clone());
    }
}

#[socket_handler]
async fn ask_with_kept(kept: socketioxide::extract::State<Kept>) -> Vec<&'static str> {
    let kept = kept.lock().expect("a lock").clone();
    ask_all(&kept.expect("a control that was kept"))
}

#[socket_handler]
async fn ask_with_own(control: SessionControl) -> Vec<&'static str> {
    [control.set_expiry(LONG), control.keep_changes()].iter().map(code).collect()
}

#[tokio::test]
async fn a_control_kept_by_a_connect_handler_acts_in_no_later_event() {
    let kept = Kept::default();
    let routes =
        Router::new().route("/login", get(shop::http::login)).route("/visit", get(shop::http::visit));
    let (layer, io) = socketioxide::SocketIo::builder().with_state(Arc::clone(&kept)).build_layer();
    // Asked by an event of the same session and of another one: each time it is the control of an earlier call.
    io.ns("/", keeping.on("ask", ask_with_kept).on("own", ask_with_own));
    let app = socketioxide_session_tests::app::App::new(
        routes.layer(layer).layer(sessions(MemoryBackend::default())),
    );
    let (ada, eve) = (Client::new(&app), Client::new(&app));
    ada.get("/login").await.ok();
    eve.get("/visit").await.ok();
    let mut of_ada = Socket::connect(&app, ada.cookie().as_deref()).await;
    let mut of_eve = Socket::connect(&app, eve.cookie().as_deref()).await;
    for socket in [&mut of_ada, &mut of_eve] {
        assert_eq!(socket.ask("ask", &[]).await, json!(vec!["unavailable"; 4]));
        assert_eq!(socket.ask("own", &[]).await, json!(vec!["ok"; 2]));
    }
    // Nobody's session has ended.
    assert_eq!(eve.get("/visit").await.ok(), "2");
    assert_eq!(ada.get("/visit").await.ok(), "1");
}

// A plain `Session`.

async fn save_twice(session: Session) -> Result<String, StatusCode> {
    let failed = |_| StatusCode::IM_A_TEAPOT;
    session.insert("cart", 7).await.map_err(failed)?;
    let saves = [session.save().await.is_ok(), session.save().await.is_ok()];
    Ok(format!("{saves:?}"))
}

#[tokio::test]
async fn a_save_that_failed_is_tried_again_by_the_next_one() {
    let store = TestStore::default();
    let routes = Router::new().route("/save-twice", get(save_twice));
    let (app, _) = shop::open_with(sessions(StoreBackend::new(store.clone())), routes, |_| ());
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    store.fail_once(Step::Write);
    assert_eq!(browser.get("/save-twice").await.ok(), "[false, true]");
    assert_eq!(store.stored(&browser.session(), "cart"), 7);
}

/// As a handler that says good-bye with a message for the next page.
async fn delete_and_insert(session: Session) -> &'static str {
    session.get_value("user").await.expect("a session that is read");
    session.delete().await.expect("a session to end");
    session.insert("message", "good-bye").await.expect("a `Session` that takes values");
    "ended"
}

async fn insert_and_delete(session: Session) -> &'static str {
    session.insert("last", "seen").await.expect("a `Session` that takes values");
    session.delete().await.expect("a session to end");
    "ended"
}

async fn flush_and_insert(session: Session) -> &'static str {
    session.flush().await.expect("a session to end");
    session.insert("message", "good-bye").await.expect("a `Session` that takes values");
    "ended"
}

#[tokio::test]
async fn what_is_inserted_after_a_delete_is_not_saved_and_its_client_is_told() {
    let store = TestStore::default();
    let routes = Router::new()
        .route("/delete-and-insert", get(delete_and_insert))
        .route("/insert-and-delete", get(insert_and_delete))
        .route("/flush-and-insert", get(flush_and_insert));
    let (app, _) = shop::open_with(sessions(StoreBackend::new(store.clone())), routes, |_| ());
    let ended = |status| (status, None, 0);
    for (path, expected) in [("/delete-and-insert", ended(409)), ("/insert-and-delete", ended(200))] {
        let browser = Client::new(&app);
        browser.get("/visit").await.ok();
        let answer = browser.get(path).await;
        assert_eq!((answer.status, browser.cookie(), store.len()), expected, "{path}: {}", answer.body);
        assert_eq!(answer.body.contains("has ended"), answer.status == 409, "{}", answer.body);
    }
    // After a flush the `Session` is empty: with what is inserted another session begins.
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let before = browser.session();
    assert_eq!(browser.get("/flush-and-insert").await.ok(), "ended");
    assert_eq!((store.has(&before), store.len()), (false, 1));
    assert_eq!(store.stored(&browser.session(), "message"), "good-bye");
}

/// No attribute.
async fn count_a_failure(session: Session, control: SessionControl) -> StatusCode {
    session.insert("failures", 1).await.expect("a session that takes values");
    control.keep_changes().expect("a session whose changes can be kept");
    StatusCode::INTERNAL_SERVER_ERROR
}

#[http_handler(cart)]
async fn count_both(cart: &mut Cart, session: Session, control: SessionControl) -> Result<(), StatusCode> {
    cart.items.push(1);
    session.insert("failures", 1).await.expect("a session that takes values");
    control.keep_changes().expect("a session whose changes can be kept");
    Err(StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::test]
async fn keep_changes_keeps_what_a_plain_session_changed_too() {
    let store = TestStore::default();
    let routes =
        Router::new().route("/count-a-failure", get(count_a_failure)).route("/count-both", get(count_both));
    let (app, _) = shop::open_with(sessions(StoreBackend::new(store.clone())), routes, |_| ());
    for path in ["/count-a-failure", "/count-both"] {
        let browser = Client::new(&app);
        browser.get("/visit").await.ok();
        assert_eq!(browser.get(path).await.status, 500);
        assert_eq!(store.stored(&browser.session(), "failures"), 1, "{path}");
    }
    // Where the handler's own commit failed, nothing of the request is kept.
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    store.fail_once(Step::Write);
    assert!(browser.get("/count-both").await.status >= 500);
    let record = store.record(&browser.session()).expect("a stored session");
    assert_eq!((record.get("failures"), record.get("cart")), (None, None));
}

async fn long_life(control: SessionControl) -> Result<(), Error> {
    control.set_expiry(LONG)
}

async fn layers_life(session: Session) {
    session.set_expiry(None);
}

async fn layers_life_and_a_value(session: Session) {
    session.set_expiry(None);
    session.insert("beside", 1).await.expect("a session that takes values");
}

async fn a_value(session: Session) {
    session.insert("alone", 1).await.expect("a session that takes values");
}

#[tokio::test]
async fn a_plain_session_goes_back_to_the_layers_expiry_only_where_it_says_so() {
    let store = TestStore::default();
    let routes = Router::new()
        .route("/long-life", get(long_life))
        .route("/a-value", get(a_value))
        .route("/layers-life", get(layers_life))
        .route("/layers-life-and-a-value", get(layers_life_and_a_value));
    let (app, _) = shop::open_with(sessions(StoreBackend::new(store.clone())), routes, |_| ());
    for path in ["/layers-life", "/layers-life-and-a-value"] {
        let browser = Client::new(&app);
        browser.get("/visit").await.ok();
        browser.get("/long-life").await.ok();
        browser.get("/a-value").await.ok();
        assert!(store.lives(&browser.session()) > time::Duration::days(29), "{path}");
        browser.get(path).await.ok();
        assert!(store.lives(&browser.session()) < time::Duration::days(20), "{path}");
        assert_eq!(store.stored(&browser.session(), "alone"), 1, "{path}");
    }
}

// `with_always_save`.

#[tokio::test]
async fn always_save_brings_no_session_back_and_begins_none() {
    let store = TestStore::default();
    let layer = sessions(StoreBackend::new(store.clone())).with_always_save(true);
    let (app, _) = shop::open(layer.with_session_on_handshake(false));
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    let old = browser.session();
    browser.get("/login").await.ok();
    // A page that was under way with the old id reads: it is nobody.
    let late = client::get(&app, "/who", Some(&old)).await;
    assert_eq!((late.status, late.set_cookies().len()), (200, 0), "{}", late.body);
    let logout = browser.get("/logout").await;
    assert_eq!((logout.status, browser.cookie(), store.len()), (200, None, 0), "{}", logout.body);
    // A handshake begins none where that is turned off.
    let handshake = client::poll(&app, None).await;
    assert_eq!((handshake.status, handshake.set_cookies().len(), store.len()), (200, 0, 0));
}

// A session whose cookie nobody gets.

async fn update_in_a_task(user: Shared<User>, State((gate, said)): State<(Gate, Said)>) {
    tokio::spawn(async move {
        let outcome = user.update(|user| user.visits += 1).await;
        said.send(vec![code(&outcome)]).ok();
    });
    gate.pass().await;
}

#[tokio::test]
async fn an_update_beside_a_request_that_goes_is_told_that_there_is_no_session() {
    let store = TestStore::default();
    let (said, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let gate = Gate::default();
    let routes = Router::new().route("/update", get(update_in_a_task)).with_state((gate.clone(), said));
    let (app, _) = shop::open_with(sessions(StoreBackend::new(store.clone())), routes, |_| ());
    let write = store.hold(Step::Write);
    let request = begin(&app, "/update", None);
    gate.reached().await;
    write.reached().await;
    drop(request);
    // The request's task has ended when another one is served.
    assert_eq!(client::get(&app, "/who", None).await.status, 200);
    store.recover();
    write.open();
    assert_eq!(soon("what the update was told", hears.recv()).await, Some(vec!["no_session"]));
    assert!(store.is_empty());
}
