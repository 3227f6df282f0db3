//! An application whose state `User` is live, on each backend of one process.

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{Data, SocketRef, State as SocketState};
use socketioxide_session::{
    EventRouter, MemoryBackend, Session, SessionControl, SessionLayer, Shared, StoreBackend, connect_handler,
    connect_middleware, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    fixture::site::until as until_true,
    gate::Gate,
    http::Answer,
    stores::{Step, TestStore},
};

#[session_state(emit = "user")]
pub(crate) struct User {
    pub(crate) name: Option<String>,
    pub(crate) visits: u32,
    #[session(server_only)]
    pub(crate) failures: u32,
}

/// What a client is sent of it.
pub(crate) fn sent(name: impl Into<Value>, visits: u32) -> Vec<Value> {
    vec![json!({ "name": name.into(), "visits": visits })]
}

/// What handlers wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    pub(crate) gate: Gate,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[http_handler(user)]
async fn rename(user: &mut User, Query(Name { name }): Query<Name>) {
    user.name = Some(name);
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

/// Changes nothing that clients are sent.
#[http_handler(user)]
async fn fail(user: &mut User) {
    user.failures += 1;
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl, Query(Name { name }): Query<Name>) {
    user.name = Some(name);
    control.cycle_id().expect("a new id");
}

#[http_handler]
async fn logout(control: SessionControl) {
    control.flush().expect("an end");
}

async fn shared(user: Shared<User>, Query(Name { name }): Query<Name>) {
    user.update(|user| user.name = Some(name)).await.expect("an update");
}

async fn plain(session: Session, Query(Name { name }): Query<Name>) {
    session.insert("user", json!({ "name": name, "visits": 7, "failures": 9 })).await.expect("a value");
}

/// What a plain `Session` writes need not be a state.
async fn spoil(session: Session) {
    session.insert("user", json!({ "name": 3 })).await.expect("a value");
}

#[socket_handler(user)]
async fn rename_here(user: &mut User, Data(name): Data<String>) {
    user.name = Some(name);
}

#[connect_handler(_user)]
async fn connected(_user: &User) {}

/// Waits before it is done, so that what is sent before its first wait would be seen to be.
#[connect_handler(user)]
async fn connected_later(user: &User, SocketState(tools): SocketState<Tools>, socket: SocketRef) {
    socket.emit("seen", &user.name).ok();
    tools.gate.pass().await;
}

#[connect_middleware(_user)]
async fn anybody(_user: &User) -> Result<(), &'static str> {
    Ok(())
}

async fn bare(socket: SocketRef) {
    socket.on("rename", rename_here);
}

pub(crate) fn routes() -> Router<Tools> {
    Router::new()
        .route("/rename", get(rename))
        .route("/visit", get(visit))
        .route("/fail", get(fail))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/shared", get(shared))
        .route("/plain", get(plain))
        .route("/spoil", get(spoil))
        .route("/wait", get(async |State(tools): State<Tools>| tools.gate.pass().await))
}

/// With sockets in `/` and `/shop`; in `/later`, whose connect handler waits; and in two plain ones: `/guarded` has a
/// middleware that reads the state, `/bare` nothing.
pub(crate) fn router(tools: &Tools, routes: Router<Tools>, layer: SessionLayer) -> Router {
    let sockets = with_sockets(routes, tools.clone(), |io| {
        io.ns("/", connected.on("rename", rename_here));
        io.ns("/shop", EventRouter::new().on("rename", rename_here));
        io.ns("/later", connected_later);
        io.ns("/guarded", socketioxide::handler::ConnectHandler::with(async || {}, anybody));
        io.ns("/bare", bare);
    });
    sockets.layer(layer)
}

/// The application on each backend of one process.
pub(crate) fn on_each() -> [(&'static str, App, Tools); 2] {
    let layers = [
        ("memory", sessions(MemoryBackend::default())),
        ("a store", sessions(StoreBackend::new(TestStore::default()))),
    ];
    layers.map(|(name, layer)| {
        let tools = Tools::default();
        (name, App::new(router(&tools, routes(), layer.with_live::<User>())), tools)
    })
}

/// A visitor whose session has a name.
pub(crate) async fn visitor(app: &App, name: &str) -> Client {
    let client = Client::new(app);
    client.get(&format!("/rename?name={name}")).await.ok();
    client
}

/// This request commits, and then nobody can read any more; somebody has tried.
pub(crate) async fn commit_and_fail_to_read(
    store: &TestStore,
    request: impl Future<Output = Answer> + Send + 'static,
) {
    let gate = store.hold(Step::Write);
    let request = tokio::spawn(request);
    gate.reached().await;
    store.break_down(Step::Load);
    let before = store.loads();
    gate.open();
    request.await.expect("an answer").ok();
    until_true("a read that fails", || store.loads() > before).await;
}

/// The values of the next event `user`, in the order in which events came: nothing is passed over.
pub(crate) async fn next_event(socket: &Socket) -> (String, Vec<Value>) {
    loop {
        use socketioxide_session::testing::Packet;
        match socket.next().await.expect("a connection") {
            Packet::Event { namespace, name, args, .. } if name == "user" => return (namespace, args),
            Packet::Event { name, .. } => panic!("an event that nobody waits for: {name}"),
            _ => {}
        }
    }
}

/// The number of visits that was sent.
pub(crate) fn visits(args: &[Value]) -> u64 {
    args[0]["visits"].as_u64().expect("a number of visits")
}

/// How often a tab is sent the state until this many visits: never an older one than before. (One that was read with the next
/// commit already in it is sent for each of the two.)
pub(crate) async fn until(socket: Socket, last: u64) -> usize {
    let (mut before, mut events) = (0, 0);
    loop {
        let now = visits(&next_event(&socket).await.1);
        assert!(now >= before, "{now} after {before}");
        (before, events) = (now, events + 1);
        if now == last {
            return events;
        }
    }
}
