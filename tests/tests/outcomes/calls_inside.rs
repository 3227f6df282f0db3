//! Calls around calls: an annotated middleware, the handler inside of it, a plain `Session` and a `SessionControl` in one
//! request.
//!
//! Clauses: 4, 5, 10, 11.

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use socketioxide_session::{
    Backend, Error, ErrorKind, Expiry, MemoryBackend, RedisBackend, Session, SessionControl, SessionLayer,
    Shared, StoreBackend, http_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, get as get_from},
    fixture::shop::{Cart, Counter, User},
    redis_server::RedisServer,
    stores::TestStore,
};

const LONG: Expiry = Expiry::OnInactivity(time::Duration::days(30));
const SHORT: Expiry = Expiry::OnInactivity(time::Duration::hours(1));

fn code<T>(outcome: &Result<T, Error>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.kind().code(), |_| "ok")
}

// What handlers do.

#[http_handler(user, cart, counter)]
async fn look(user: &User, cart: &Cart, counter: &Counter) -> String {
    format!("{} {:?} {}", user.visits, cart.items, counter.count)
}

#[http_handler(cart)]
async fn add(cart: &mut Cart) {
    cart.items.push(1);
}

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

#[http_handler(cart)]
async fn login(cart: &mut Cart, control: SessionControl) -> Result<(), Error> {
    cart.items.push(1);
    control.cycle_id()
}

#[http_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

#[http_handler(cart)]
async fn keep_err(cart: &mut Cart, control: SessionControl) -> Result<(), StatusCode> {
    cart.items.push(1);
    control.keep_changes().expect("as the test has it");
    Err(StatusCode::UNAUTHORIZED)
}

#[http_handler(cart)]
async fn add_and_fail(cart: &mut Cart) -> StatusCode {
    cart.items.push(1);
    StatusCode::INTERNAL_SERVER_ERROR
}

#[http_handler(cart)]
async fn expire_long(cart: &mut Cart, control: SessionControl) {
    cart.items.push(1);
    control.set_expiry(LONG).expect("as the test has it");
}

#[http_handler(cart)]
async fn expire_short(cart: &mut Cart, control: SessionControl) {
    cart.items.push(1);
    control.set_expiry(SHORT).expect("as the test has it");
}

async fn plain_put(session: Session) {
    session.insert("plain", 1).await.expect("as the test has it");
}

async fn plain_look(session: Session) -> String {
    format!(
        "{:?} {:?}",
        session.get::<u64>("plain").await.expect("as the test has it"),
        session.get::<Value>("user").await.expect("as the test has it")
    )
}

fn inner() -> Router {
    Router::new()
        .route("/add", get(add))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/keep-err", get(keep_err))
        .route("/add-and-fail", get(add_and_fail))
        .route("/expire-long", get(expire_long))
        .route("/expire-short", get(expire_short))
        .route("/plain-put", get(plain_put))
}

// What middlewares do.

#[http_handler(user)]
async fn counts(user: &mut User, request: Request, next: Next) -> Response {
    user.visits += 1;
    next.run(request).await
}

/// Its own turn is still held when the handler has changed the id.
#[http_handler(user)]
async fn shares_after(user: &mut User, shared: Shared<User>, request: Request, next: Next) -> Response {
    let before = code(&shared.read().await);
    next.run(request).await;
    let written = shared.update(|user| user.visits += 100).await;
    user.visits += 1;
    format!("{before} {}", code(&written)).into_response()
}

#[http_handler(user)]
async fn errs_after(user: &mut User, request: Request, next: Next) -> Result<Response, StatusCode> {
    user.visits += 1;
    let response = next.run(request).await;
    if response.status().is_success() { Ok(response) } else { Err(StatusCode::UNAUTHORIZED) }
}

#[http_handler(user)]
async fn always_errs(user: &mut User, request: Request, next: Next) -> Result<(), StatusCode> {
    user.visits += 1;
    next.run(request).await;
    Err(StatusCode::BAD_REQUEST)
}

#[http_handler(user)]
async fn cycles(user: &mut User, control: SessionControl, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    user.visits += 1;
    control.cycle_id().expect("as the test has it");
    response
}

/// It asks before the handler runs, and fails after it.
#[http_handler(user)]
async fn cycles_and_fails(
    user: &mut User,
    control: SessionControl,
    request: Request,
    next: Next,
) -> StatusCode {
    user.visits += 1;
    control.cycle_id().expect("as the test has it");
    next.run(request).await;
    StatusCode::INTERNAL_SERVER_ERROR
}

#[http_handler(user)]
async fn keeps(user: &mut User, control: SessionControl, request: Request, next: Next) -> Response {
    user.visits += 1;
    control.keep_changes().expect("as the test has it");
    next.run(request).await
}

async fn plain_expires_long(control: SessionControl, request: Request, next: Next) -> Response {
    control.set_expiry(LONG).expect("as the test has it");
    next.run(request).await
}

async fn flushes_after(control: SessionControl, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    control.flush().expect("as the test has it");
    response
}

async fn plain_counts(session: Session, request: Request, next: Next) -> Response {
    let count = session.get::<u64>("count").await.expect("as the test has it").unwrap_or(0);
    session.insert("count", count + 1).await.expect("as the test has it");
    next.run(request).await
}

fn app(layer: SessionLayer) -> App {
    let in_order = inner().layer(from_fn(always_errs)).layer(from_fn(plain_expires_long));
    let routes = Router::new()
        .merge(inner())
        .route("/look", get(look))
        .route("/visit", get(visit))
        .route("/plain-look", get(plain_look))
        .nest("/counts", inner().layer(from_fn(counts)))
        .nest("/shares-after", inner().layer(from_fn(shares_after)))
        .nest("/errs-after", inner().layer(from_fn(errs_after)))
        .nest("/cycles", inner().layer(from_fn(cycles)))
        .nest("/cycles-and-fails", inner().layer(from_fn(cycles_and_fails)))
        .nest("/keeps", inner().layer(from_fn(keeps)))
        .nest("/flushes-after", inner().layer(from_fn(flushes_after)))
        .nest("/plain-counts", inner().layer(from_fn(plain_counts)))
        .nest("/long-then-errs", in_order);
    App::new(routes.layer(layer))
}

fn at(backend: impl Backend) -> App {
    app(sessions(backend))
}

async fn visitor(app: &App) -> Client {
    let client = Client::new(app);
    client.get("/visit").await.ok();
    client
}

#[tokio::test]
async fn a_turn_is_still_held_when_a_call_inside_changed_the_id() {
    // Clause 4: `Shared` inside a call that holds any turn of the session is `nested_turn`.
    let app = at(MemoryBackend::default());
    let client = visitor(&app).await;
    assert_eq!(client.get("/shares-after/add").await.ok(), "nested_turn nested_turn");
    assert_eq!(client.get("/shares-after/login").await.ok(), "nested_turn nested_turn");
    assert_eq!(client.get("/look").await.ok(), "3 [1, 1] 0");
}

async fn login_inside(app: App) {
    let client = visitor(&app).await;
    let before = client.session();
    let answer = client.get("/counts/login").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_ne!(client.session(), before);
    assert_eq!(client.get("/look").await.ok(), "2 [1] 0");
}

#[tokio::test]
async fn a_middleware_commits_after_the_handler_changed_the_id_in_memory() {
    login_inside(at(MemoryBackend::default())).await;
}

#[tokio::test]
async fn a_middleware_commits_after_the_handler_changed_the_id_in_a_store() {
    login_inside(at(StoreBackend::new(TestStore::default()))).await;
}

#[tokio::test]
async fn a_middleware_commits_after_the_handler_changed_the_id_in_redis() {
    let server = RedisServer::start().await;
    login_inside(at(RedisBackend::connect(server.url()).await.unwrap())).await;
}

#[tokio::test]
async fn what_a_handler_keeps_is_its_own() {
    // Clause 5: a handler that returns `Err` and did not ask for `keep_changes` is discarded.
    let app = at(MemoryBackend::default());
    let client = visitor(&app).await;
    assert_eq!(client.get("/errs-after/keep-err").await.status, 401);
    assert_eq!(client.get("/look").await.ok(), "1 [1] 0");
}

#[tokio::test]
async fn what_a_middleware_keeps_is_its_own() {
    // Clause 5: the handler's own answer is 5xx.
    let app = at(MemoryBackend::default());
    let client = visitor(&app).await;
    assert_eq!(client.get("/keeps/add-and-fail").await.status, 500);
    assert_eq!(client.get("/look").await.ok(), "2 [] 0");
}

#[tokio::test]
async fn the_id_that_a_middleware_asked_for_goes_with_the_middleware() {
    // Clause 5: discarded, with all that its `SessionControl` was asked for.
    let app = at(MemoryBackend::default());
    let client = visitor(&app).await;
    let before = client.session();
    assert_eq!(client.get("/cycles-and-fails/add").await.status, 500);
    assert_eq!(client.session(), before);
    assert_eq!(client.get("/look").await.ok(), "1 [1] 0");
}

#[tokio::test]
async fn what_was_carried_out_is_not_carried_out_again() {
    let store = TestStore::default();
    let app = at(StoreBackend::new(store.clone()));
    let client = visitor(&app).await;
    assert_eq!(client.get("/long-then-errs/expire-short").await.status, 400);
    let lives = store.lives(&client.session());
    assert!(lives < time::Duration::hours(2), "the handler's own wish came last: {lives}");
}

fn has_age(cookies: &[String]) -> bool {
    cookies.last().is_some_and(|line| line.contains("Max-Age"))
}

#[tokio::test]
async fn the_cookie_lasts_as_long_as_the_session_when_the_id_changes_after_the_expiry() {
    let store = TestStore::default();
    let app = at(StoreBackend::new(store.clone()));
    let client = visitor(&app).await;
    let answer = client.get("/cycles/expire-long").await;
    let cookies = answer.set_cookies();
    assert!(store.lives(&client.session()) > time::Duration::days(20));
    assert!(has_age(&cookies), "{cookies:?}");
}

#[tokio::test]
async fn and_when_a_plain_session_saves_after_it() {
    for always in [false, true] {
        let store = TestStore::default();
        let app = app(sessions(StoreBackend::new(store.clone())).with_always_save(always));
        let client = visitor(&app).await;
        let cookies = client.get("/plain-counts/expire-long").await.set_cookies();
        assert!(store.lives(&client.session()) > time::Duration::days(20), "{always}");
        assert!(has_age(&cookies), "{always} {cookies:?}");
    }
}

#[tokio::test]
async fn a_middleware_around_a_logout_brings_nothing_back() {
    // Clause 11: a handler still running cannot bring the session back by saving and is told so.
    let store = TestStore::default();
    let app = at(StoreBackend::new(store.clone()));
    let client = visitor(&app).await;
    let cookie = client.session();
    let answer = client.get("/counts/logout").await;
    let (status, cookies) = (answer.status, answer.set_cookies());
    assert!(!store.has(&cookie));
    assert_eq!((status, store.len()), (409, 0), "{cookies:?}");
}

/// As a flash message that says so.
#[tokio::test]
async fn what_a_plain_session_writes_around_a_logout_begins_a_session_of_its_own() {
    let store = TestStore::default();
    let app = at(StoreBackend::new(store.clone()));
    let client = visitor(&app).await;
    let cookie = client.session();
    let answer = client.get("/plain-counts/logout").await;
    assert_eq!((answer.status, store.has(&cookie), store.len()), (200, false, 1), "{}", answer.body);
    assert_eq!(client.get("/look").await.ok(), "0 [] 0");
}

#[tokio::test]
async fn a_flush_of_an_outer_middleware_ends_what_the_handler_committed() {
    let store = TestStore::default();
    let app = at(StoreBackend::new(store.clone()));
    for path in
        ["/flushes-after/login", "/flushes-after/add", "/flushes-after/plain-put", "/flushes-after/logout"]
    {
        let client = visitor(&app).await;
        let cookie = client.session();
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        assert_eq!((store.len(), client.cookie()), (0, None), "{path}");
        assert_eq!(get_from(&app, "/look", Some(&cookie)).await.ok(), "0 [] 0");
    }
}

#[tokio::test]
async fn keep_changes_keeps_a_plain_sessions_changes_with_a_4xx_err() {
    let app = at(MemoryBackend::default());
    let client = visitor(&app).await;
    assert_eq!(client.get("/plain-counts/keep-err").await.status, 401);
    assert_eq!(client.get("/look").await.ok(), "1 [1] 0");
}

// More calls around calls.

#[http_handler(user)]
async fn flushes_before(user: &mut User, control: SessionControl, request: Request, next: Next) -> Response {
    user.visits += 1;
    control.flush().expect("as the test has it");
    next.run(request).await
}

async fn hang() {
    std::future::pending::<()>().await;
}

/// As a `TimeoutLayer` whose time is over at once.
async fn give_up(request: Request, next: Next) -> Response {
    tokio::select! {
        biased;
        response = next.run(request) => response,
        () = tokio::task::yield_now() => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// It runs what is inside of it twice: for a login, and for another handler.
#[http_handler(user)]
async fn twice(user: &mut User, request: Request, next: Next) -> String {
    let mut again =
        Request::builder().uri("/visit").body(axum::body::Body::empty()).expect("as the test has it");
    *again.extensions_mut() = request.extensions().clone();
    let first = next.clone().run(request).await.status().as_u16();
    user.visits += 1;
    let second = next.run(again).await.status().as_u16();
    format!("{first} {second}")
}

async fn either(request: Request) -> Response {
    let inner = Router::new().route("/visit", get(visit)).fallback(get(login));
    tower::ServiceExt::oneshot(inner, request).await.expect("as the test has it")
}

async fn both_at_once(shared: Shared<User>) -> Result<String, Error> {
    let add = |by| shared.update(move |user| user.visits += by);
    let (one, two, read) = tokio::join!(add(10), add(100), shared.read());
    one?;
    two?;
    read.map(|user| user.visits.to_string())
}

fn more(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/visit", get(visit))
        .route("/look", get(look))
        .route("/both", get(both_at_once))
        .route("/hang", get(hang).layer(from_fn(flushes_before)).layer(from_fn(give_up)))
        .route("/twice", get(either).layer(from_fn(twice)));
    App::new(routes.layer(sessions(backend)))
}

#[tokio::test]
async fn an_end_that_a_middleware_asked_for_is_carried_out_when_it_is_given_up() {
    let store = TestStore::default();
    let app = more(StoreBackend::new(store.clone()));
    let client = visitor(&app).await;
    assert_eq!(client.get("/hang").await.status, 408);
    assert_eq!((store.len(), client.cookie()), (0, None));
}

#[tokio::test]
async fn updates_beside_each_other_are_all_saved() {
    let app = more(StoreBackend::new(TestStore::default()));
    let client = visitor(&app).await;
    assert_eq!(client.get("/both").await.ok(), "111");
}

#[tokio::test]
async fn a_handler_inside_is_told_also_after_the_id_has_changed() {
    // Clause 4: an annotated handler behind an annotated middleware that holds the state it wants is `nested_turn`.
    let app = more(MemoryBackend::default());
    let client = visitor(&app).await;
    let nested = ErrorKind::NestedTurn.status().as_u16();
    assert_eq!(client.get("/twice").await.ok(), format!("200 {nested}"));
    assert_eq!(client.get("/look").await.ok(), "2 [1] 0");
}
