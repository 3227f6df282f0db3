//! All or nothing over HTTP, whatever way a handler ends.
//!
//! Clauses: 5.

use std::{rc::Rc, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use socketioxide_session::{
    Error, MemoryBackend, SessionControl, SessionLayer, StoreBackend, http_handler, session_state,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{self, Client},
    fixture::shop::{self, Counter},
    gate::Gate,
    http::Answer,
    soon,
    stores::{Step, TestStore},
};

/// An error with the status it says.
#[derive(Debug)]
struct Failure(u16);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        StatusCode::from_u16(self.0).expect("a status").into_response()
    }
}

type Answered<T = ()> = Result<T, Failure>;

#[http_handler(counter)]
async fn fail_with_200(counter: &mut Counter) -> Answered {
    counter.count += 1;
    Err(Failure(200))
}

#[http_handler(counter)]
async fn fail_unnamed(counter: &mut Counter) -> axum::response::Result<()> {
    counter.count += 1;
    Err(StatusCode::CONFLICT.into())
}

#[http_handler(counter)]
async fn fail_and_keep(counter: &mut Counter, control: SessionControl) -> Answered {
    counter.count += 1;
    control.keep_changes().map_err(|_| Failure(500))?;
    Err(Failure(401))
}

#[http_handler(counter)]
async fn ok_but_503(counter: &mut Counter) -> Answered<StatusCode> {
    counter.count += 1;
    Ok(StatusCode::SERVICE_UNAVAILABLE)
}

#[http_handler(counter)]
async fn status_500(counter: &mut Counter) -> impl IntoResponse {
    counter.count += 1;
    StatusCode::INTERNAL_SERVER_ERROR
}

#[http_handler(counter)]
async fn status_404(counter: &mut Counter) -> impl IntoResponse {
    counter.count += 1;
    StatusCode::NOT_FOUND
}

#[http_handler(counter)]
async fn hidden_err(counter: &mut Counter) -> impl IntoResponse {
    counter.count += 1;
    Err::<(), _>(Failure(400))
}

/// What is returned need not be `Send`: axum does not ask for that.
struct NotSend(Rc<str>);

impl IntoResponse for NotSend {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.0.to_string()).into_response()
    }
}

#[http_handler(counter)]
async fn not_send(counter: &mut Counter) -> Result<String, NotSend> {
    counter.count += 1;
    Err(NotSend("not sent to another thread".into()))
}

#[http_handler]
async fn flush_and_fail(control: SessionControl) -> Answered {
    control.flush().map_err(|_| Failure(200))?;
    Err(Failure(500))
}

#[http_handler(counter)]
async fn flush_and_panic(counter: &mut Counter, control: SessionControl) {
    counter.count += 1;
    control.flush().expect("a session to end");
    panic!("as the test wants");
}

#[http_handler(counter)]
async fn flush_and_wait(counter: &mut Counter, control: SessionControl, State(gate): State<Gate>) {
    counter.count += 1;
    control.flush().expect("a session to end");
    gate.pass().await;
}

/// A state of its own: its equality sees nothing.
#[session_state]
struct Blind {
    count: u32,
}

impl PartialEq for Blind {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[http_handler(blind)]
async fn add_blind(blind: &mut Blind) -> Json<u32> {
    blind.count += 1;
    Json(blind.count)
}

fn open(layer: SessionLayer) -> (App, Gate) {
    let routes = Router::new()
        .route("/fail-with-200", get(fail_with_200))
        .route("/fail-unnamed", get(fail_unnamed))
        .route("/fail-and-keep", get(fail_and_keep))
        .route("/ok-but-503", get(ok_but_503))
        .route("/status-500", get(status_500))
        .route("/status-404", get(status_404))
        .route("/hidden-err", get(hidden_err))
        .route("/not-send", get(not_send))
        .route("/flush-and-fail", get(flush_and_fail))
        .route("/flush-and-panic", get(flush_and_panic))
        .route("/flush-and-wait", get(flush_and_wait))
        .route("/add-blind", get(add_blind));
    shop::open_with(layer, routes, |_| ())
}

fn app() -> (App, Gate) {
    open(sessions(MemoryBackend::default()))
}

fn app_with_store() -> (App, Gate, TestStore) {
    let store = TestStore::default();
    let (app, gate) = open(sessions(StoreBackend::new(store.clone())));
    (app, gate, store)
}

/// The status of `path`, and what the counter, which was at 1, is at afterwards.
async fn outcome(path: &str) -> (u16, Value) {
    let (app, _) = app();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let status = browser.get(path).await.status;
    let after = browser.get("/count").await.json();
    // The turn has ended: the next one goes on.
    browser.get("/add").await.ok();
    (status, after)
}

#[tokio::test]
async fn a_normal_return_commits() {
    assert_eq!(outcome("/add").await, (200, json!(2)));
}

#[tokio::test]
async fn an_err_behind_an_alias_discards() {
    assert_eq!(outcome("/fail").await, (422, json!(1)));
}

#[tokio::test]
async fn an_err_discards_whatever_its_status() {
    assert_eq!(outcome("/fail-with-200").await, (200, json!(1)));
}

#[tokio::test]
async fn an_err_of_axums_own_result_discards() {
    assert_eq!(outcome("/fail-unnamed").await, (409, json!(1)));
}

#[tokio::test]
async fn an_err_with_keep_changes_commits() {
    assert_eq!(outcome("/fail-and-keep").await, (401, json!(2)));
}

#[tokio::test]
async fn an_ok_that_answers_5xx_discards() {
    assert_eq!(outcome("/ok-but-503").await, (503, json!(1)));
}

#[tokio::test]
async fn a_5xx_status_discards() {
    assert_eq!(outcome("/status-500").await, (500, json!(1)));
}

#[tokio::test]
async fn a_4xx_status_commits() {
    assert_eq!(outcome("/status-404").await, (404, json!(2)));
}

#[tokio::test]
async fn behind_impl_into_response_only_the_status_speaks() {
    assert_eq!(outcome("/hidden-err").await, (400, json!(2)));
}

#[tokio::test]
async fn a_panic_discards_and_is_a_500() {
    assert_eq!(outcome("/panic").await, (500, json!(1)));
}

#[tokio::test]
async fn a_failed_first_write_begins_no_session() {
    let (app, _, store) = app_with_store();
    for path in ["/fail", "/ok-but-503", "/status-500", "/panic"] {
        let answer = client::get(&app, path, None).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
    }
    assert!(store.is_empty());
}

/// Two requests, the first at the gate, the second waiting for its turn; the first one's client leaves.
#[tokio::test]
async fn a_client_that_goes_away_discards_and_the_next_goes_on() {
    let (app, gate) = app();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let leaving = client::begin(&app, "/hold", Some(&browser.session()));
    gate.reached().await;
    let next = browser.get("/add");
    tokio::pin!(next);
    assert!(futures_util::poll!(&mut next).is_pending());
    drop(leaving);
    assert_eq!(next.await.status, 200);
    assert_eq!(browser.get("/count").await.json(), 2);
}

async fn is_ended_by(path: &str, status: u16) {
    let (app, _, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let cookie = browser.session();
    assert_eq!(browser.get(path).await.status, status);
    assert!(!store.has(&cookie));
    assert_eq!(client::get(&app, "/count", Some(&cookie)).await.json(), 0);
}

#[tokio::test]
async fn flush_is_carried_out_after_a_normal_return() {
    is_ended_by("/flush", 200).await;
}

#[tokio::test]
async fn flush_is_carried_out_though_the_handler_fails() {
    is_ended_by("/flush-and-fail", 500).await;
}

#[tokio::test]
async fn flush_is_carried_out_though_the_handler_panics() {
    is_ended_by("/flush-and-panic", 500).await;
}

#[tokio::test]
async fn flush_is_carried_out_though_the_client_leaves() {
    let (app, gate, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let ending = store.hold(Step::Delete);
    let leaving = client::begin(&app, "/flush-and-wait", Some(&browser.session()));
    gate.reached().await;
    drop(leaving);
    ending.reached().await;
    ending.open();
    // The flush held the store's record; whoever is told after it finds nothing.
    let gone = async {
        while store.has(&browser.session()) {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the session", gone).await;
}

#[tokio::test]
async fn flush_waits_for_no_turn() {
    let (app, gate, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let cookie = browser.session();
    let _holding = client::begin(&app, "/hold", Some(&cookie));
    gate.reached().await;
    browser.get("/flush").await.ok();
    assert!(!store.has(&cookie));
}

#[tokio::test]
async fn flush_decodes_nothing() {
    let (app, _, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let cookie = browser.session();
    store.put(&cookie, "counter", json!("no counter"));
    browser.get("/flush").await.ok();
    assert!(!store.has(&cookie));
}

#[tokio::test]
async fn nothing_changed_nothing_written() {
    let (app, _, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let writes = store.writes();
    browser.get("/count").await.ok();
    browser.get("/there-and-back").await.ok();
    assert_eq!(store.writes(), writes);
}

#[tokio::test]
async fn a_users_own_equality_is_not_trusted() {
    let (app, _) = app();
    let browser = Client::new(&app);
    assert_eq!(browser.get("/add-blind").await.json(), 1);
    assert_eq!(browser.get("/add-blind").await.json(), 2);
}

#[tokio::test]
async fn a_commit_once_begun_runs_to_its_end_though_the_client_leaves() {
    let (app, _, store) = app_with_store();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let writing = store.hold(Step::Write);
    let leaving = client::begin(&app, "/add", Some(&browser.session()));
    writing.reached().await;
    drop(leaving);
    // The server has noticed once another request of another client got through.
    let _: Answer = client::get(&app, "/count", None).await;
    writing.open_for_all();
    // The next writer comes after the commit.
    browser.get("/add").await.ok();
    assert_eq!(browser.get("/count").await.json(), 3);
}

#[http_handler(counter)]
async fn count_up(counter: &mut Counter) -> Json<u64> {
    counter.count += 1;
    Json(counter.count)
}

async fn as_json(response: Response) -> Response {
    let Some(error) = response.extensions().get::<Arc<Error>>().cloned() else { return response };
    (response.status(), Json(json!({ "code": error.kind().code() }))).into_response()
}

/// A page of the application's own can be made of it.
#[tokio::test]
async fn an_error_response_carries_the_error() {
    let store = TestStore::default();
    let routes = Router::new().route("/add", get(count_up));
    let app = App::new(routes.layer(sessions(StoreBackend::new(store.clone()))).layer(map_response(as_json)));
    let browser = Client::new(&app);
    assert_eq!(browser.get("/add").await.json(), 1);
    store.put(&browser.session(), "counter", json!("no counter"));
    let refused = browser.get("/add").await;
    assert_eq!((refused.status, &*refused.body), (500, r#"{"code":"undecodable"}"#));
}
