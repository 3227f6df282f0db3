//! Panics in the code of states themselves: an error of the call that ran it, and of nothing else.
//!
//! Clauses: 5.

use std::{cell::Cell, time::Duration};

use axum::{Router, response::IntoResponse, routing::get};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{
    Backend, Error, EventRouter, MemoryBackend, RedisBackend, Session, SessionControl, Shared, StoreBackend,
    connect_handler, connect_middleware, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    fixture::shop,
    redis_server::RedisServer,
    stores::TestStore,
};

/// What of a state's code panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Code {
    Clone,
    Default,
    Deserialize,
    Drop,
    Serialize,
}

thread_local! {
    /// A test's application runs on the test's own thread.
    static PANICS: Cell<Option<Code>> = const { Cell::new(None) };
}

/// As long as this is held, the code panics whenever it is run.
struct Panics;

impl Panics {
    fn from_now_on(code: Code) -> Self {
        PANICS.set(Some(code));
        Self
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        PANICS.set(None);
    }
}

#[track_caller]
fn reached(code: Code) {
    assert!(PANICS.get() != Some(code), "{code:?} panics, as the test wants");
}

#[derive(Debug)]
struct Glass(u64);

impl Clone for Glass {
    fn clone(&self) -> Self {
        reached(Code::Clone);
        Self(self.0)
    }
}

impl Default for Glass {
    fn default() -> Self {
        reached(Code::Default);
        Self(0)
    }
}

impl<'de> Deserialize<'de> for Glass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        reached(Code::Deserialize);
        u64::deserialize(deserializer).map(Self)
    }
}

impl Drop for Glass {
    fn drop(&mut self) {
        reached(Code::Drop);
    }
}

impl Serialize for Glass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        reached(Code::Serialize);
        self.0.serialize(serializer)
    }
}

/// It has a `Clone`, which is not asked.
#[session_state]
#[derive(Clone)]
struct Vase {
    glass: Glass,
}

/// It has none.
#[session_state]
struct Bowl {
    glass: Glass,
}

mod http {
    use super::*;

    #[http_handler(vase, bowl)]
    pub(super) async fn read(vase: &Vase, bowl: &Bowl) -> String {
        format!("{} {}", vase.glass.0, bowl.glass.0)
    }

    #[http_handler(vase, bowl)]
    pub(super) async fn find(vase: Option<&Vase>, bowl: Option<&Bowl>) -> String {
        format!("{:?}", vase.map(|vase| vase.glass.0).or(bowl.map(|bowl| bowl.glass.0)))
    }

    #[http_handler(vase, bowl)]
    pub(super) async fn fill(vase: &mut Vase, bowl: &mut Bowl) -> String {
        vase.glass.0 += 1;
        bowl.glass.0 += 1;
        format!("{} {}", vase.glass.0, bowl.glass.0)
    }

    #[http_handler(vase, bowl)]
    pub(super) async fn touch(vase: &mut Vase, bowl: &mut Bowl) -> String {
        format!("{} {}", vase.glass.0, bowl.glass.0)
    }

    #[http_handler(vase, bowl)]
    pub(super) async fn break_off(vase: &mut Vase, bowl: &mut Bowl) {
        vase.glass.0 += 1;
        bowl.glass.0 += 1;
        panic!("beside all else");
    }

    #[http_handler(vase, bowl)]
    pub(super) async fn wait(vase: &mut Vase, bowl: &mut Bowl) {
        vase.glass.0 += 1;
        bowl.glass.0 += 1;
        std::future::pending::<()>().await;
    }

    pub(super) async fn share(vase: Shared<Vase>) -> Result<String, Error> {
        vase.update(|vase| vase.glass.0 += 1).await?;
        vase.read().await.map(|vase| vase.glass.0.to_string())
    }

    #[http_handler]
    pub(super) async fn break_off_shared(vase: Shared<Vase>, bowl: Shared<Bowl>) -> Result<(), Error> {
        tokio::try_join!(vase.update(|_| ()), bowl.update(|_| panic!("beside all else"))).map(drop)
    }

    /// Both states as other middleware stores them: nobody has decoded them yet.
    pub(super) async fn put(session: Session) {
        for key in ["vase", "bowl"] {
            session.insert(key, json!({ "glass": 5 })).await.expect("a session that takes values");
        }
    }

    #[http_handler]
    pub(super) async fn flush(control: SessionControl) -> Result<(), Error> {
        control.flush()
    }

    struct Page;

    impl IntoResponse for Page {
        fn into_response(self) -> axum::response::Response {
            panic!("as the test wants")
        }
    }

    #[http_handler(vase)]
    pub(super) async fn page(vase: &mut Vase) -> Page {
        vase.glass.0 += 1;
        Page
    }

    #[http_handler(vase)]
    pub(super) async fn keep_page(vase: &mut Vase, control: SessionControl) -> Result<Page, Error> {
        vase.glass.0 += 1;
        control.keep_changes()?;
        Ok(Page)
    }
}

mod sockets {
    use super::*;

    #[socket_handler(vase, bowl)]
    pub(super) async fn read(vase: &Vase, bowl: &Bowl) -> [u64; 1] {
        [vase.glass.0.max(bowl.glass.0)]
    }

    #[socket_handler(vase, bowl)]
    pub(super) async fn find(vase: Option<&Vase>, bowl: Option<&Bowl>) -> Option<u64> {
        vase.map(|vase| vase.glass.0).or(bowl.map(|bowl| bowl.glass.0))
    }

    #[socket_handler(vase, bowl)]
    pub(super) async fn fill(vase: &mut Vase, bowl: &mut Bowl) -> u64 {
        vase.glass.0 += 1;
        bowl.glass.0 += 1;
        vase.glass.0
    }

    #[socket_handler(vase, bowl)]
    pub(super) async fn touch(vase: &mut Vase, bowl: &mut Bowl) -> u64 {
        vase.glass.0.max(bowl.glass.0)
    }

    #[socket_handler(vase, bowl)]
    pub(super) async fn break_off(vase: &mut Vase, bowl: &mut Bowl) {
        vase.glass.0 += 1;
        bowl.glass.0 += 1;
        panic!("beside all else");
    }
}

fn events() -> EventRouter {
    shop::events()
        .on("read", sockets::read)
        .on("find", sockets::find)
        .on("fill", sockets::fill)
        .on("touch", sockets::touch)
        .on("break off", sockets::break_off)
}

#[connect_handler(vase)]
async fn connected_reader(vase: &Vase, socket: SocketRef) {
    let _ = vase;
    shop::listen(&socket);
}

#[connect_middleware(vase)]
async fn admit(vase: &mut Vase) -> Result<(), &'static str> {
    vase.glass.0 += 1;
    Ok(())
}

struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("as the test wants")
    }
}

#[connect_middleware(vase)]
async fn refuse(vase: &mut Vase) -> Result<(), Unspeakable> {
    vase.glass.0 += 1;
    Err(Unspeakable)
}

fn namespaces(io: &SocketIo) {
    io.ns("/", events());
    io.ns("/reader", connected_reader);
    io.ns("/admitted", events().with(admit));
    io.ns("/refused", events().with(refuse));
}

fn app(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/glass/read", get(http::read))
        .route("/glass/find", get(http::find))
        .route("/glass/fill", get(http::fill))
        .route("/glass/touch", get(http::touch))
        .route("/glass/break-off", get(http::break_off))
        .route("/glass/wait", get(http::wait))
        .route("/glass/share", get(http::share))
        .route("/glass/break-off-shared", get(http::break_off_shared))
        .route("/glass/put", get(http::put))
        .route("/glass/flush", get(http::flush))
        .route("/glass/page", get(http::page))
        .route("/glass/keep-page", get(http::keep_page));
    shop::open_with(sessions(backend), routes, namespaces).0
}

/// Each call that runs the code is an error; all is as it was after it, over HTTP and for all later events of the socket.
async fn is_an_error_of(code: Code, paths: &[&str], browser: &Client, socket: &mut Socket) {
    let before = browser.get("/glass/read").await.ok();
    for path in paths {
        let panics = Panics::from_now_on(code);
        let answer = browser.get(&format!("/glass/{}", path.replace(' ', "-"))).await;
        assert_eq!(answer.status, 500, "{code:?} in {path}: {}", answer.body);
        if !["share", "page"].contains(path) {
            let told = socket.ask(path, &[]).await;
            assert_eq!(told["code"], "panicked", "{code:?} in {path}: {told}");
            socket.emit(path, &[]).await;
            assert_eq!(socket.event("session_error").await[0]["code"], "panicked", "{code:?} in {path}");
        }
        assert_eq!(socket.ask("echo", &[]).await, "echo");
        drop(panics);
        assert_eq!(browser.get("/glass/read").await.ok(), before, "{code:?} in {path}");
    }
    let filled = socket.ask("fill", &[]).await.as_u64().expect("a number");
    assert_eq!(browser.get("/glass/fill").await.ok().split(' ').next(), Some(&*(filled + 1).to_string()));
}

async fn visitor(app: &App) -> (Client, Socket) {
    let browser = Client::new(app);
    browser.get("/add").await.ok();
    let socket = browser.socket().await;
    (browser, socket)
}

async fn everywhere(app: &App, code: Code, paths: &[&str]) {
    let (browser, mut socket) = visitor(app).await;
    is_an_error_of(code, paths, &browser, &mut socket).await;
}

#[tokio::test]
async fn default_panics() {
    let server = RedisServer::start().await;
    let redis = RedisBackend::connect(server.url()).await.unwrap();
    let apps = [app(MemoryBackend::default()), app(StoreBackend::new(TestStore::default())), app(redis)];
    for app in &apps {
        everywhere(app, Code::Default, &["read", "touch", "fill", "share"]).await;
    }
}

#[tokio::test]
async fn deserialize_panics() {
    let app = app(MemoryBackend::default());
    let (browser, socket) = visitor(&app).await;
    // The state is decoded once for all readers: none has come yet.
    for (number, event) in ["read", "find", "touch", "fill"].into_iter().enumerate() {
        browser.get("/glass/flush").await.ok();
        browser.get("/glass/put").await.ok();
        let mut socket = browser.socket().await;
        let panics = Panics::from_now_on(Code::Deserialize);
        assert_eq!(socket.ask(event, &[]).await["code"], "panicked", "{event}");
        assert_eq!(browser.get(&format!("/glass/{event}")).await.status, 500, "{event}");
        assert_eq!(socket.ask("add", &[]).await, 1, "another state of the socket, in try {number}");
        drop(panics);
        assert_eq!(socket.ask("read", &[]).await, 5, "{event}");
        assert_eq!(socket.ask("fill", &[]).await, 6, "{event}");
    }
    socket.disconnected("/").await;
}

#[tokio::test]
async fn deserialize_panics_in_what_a_store_brings() {
    let server = RedisServer::start().await;
    let redis = RedisBackend::connect(server.url()).await.unwrap();
    for app in [app(StoreBackend::new(TestStore::default())), app(redis)] {
        let (browser, mut socket) = visitor(&app).await;
        browser.get("/glass/put").await.ok();
        is_an_error_of(Code::Deserialize, &["read", "find", "touch", "fill", "share"], &browser, &mut socket)
            .await;
    }
}

#[tokio::test]
async fn serialize_panics() {
    let server = RedisServer::start().await;
    let redis = RedisBackend::connect(server.url()).await.unwrap();
    for app in [app(MemoryBackend::default()), app(StoreBackend::new(TestStore::default())), app(redis)] {
        everywhere(&app, Code::Serialize, &["touch", "fill", "share"]).await;
    }
}

/// A clone may be another value, or share what changes.
#[tokio::test]
async fn clone_is_not_run() {
    let app = app(MemoryBackend::default());
    let (browser, mut socket) = visitor(&app).await;
    let _panics = Panics::from_now_on(Code::Clone);
    assert_eq!(browser.get("/glass/fill").await.ok(), "1 1");
    assert_eq!(browser.get("/glass/touch").await.ok(), "1 1");
    assert_eq!(browser.get("/glass/share").await.ok(), "2");
    assert_eq!(socket.ask("fill", &[]).await, 3);
}

/// What is dropped before the commit fails its call; what goes after it is logged.
#[tokio::test]
async fn drop_panics() {
    let server = RedisServer::start().await;
    let redis = RedisBackend::connect(server.url()).await.unwrap();
    for app in [app(MemoryBackend::default()), app(StoreBackend::new(TestStore::default())), app(redis)] {
        let (browser, mut socket) = visitor(&app).await;
        is_an_error_of(Code::Drop, &["read", "touch"], &browser, &mut socket).await;
        for round in 0..3 {
            let before = socket.ask("fill", &[]).await.as_u64().expect("a number");
            let panics = Panics::from_now_on(Code::Drop);
            // The old value goes where the new one is stored.
            for _ in 0..2 {
                browser.get("/glass/fill").await;
                socket.ask("fill", &[]).await;
            }
            // One panic beside another one.
            assert_eq!(browser.get("/glass/break-off").await.status, 500);
            assert_eq!(socket.ask("break off", &[]).await["code"], "panicked");
            assert_eq!(browser.get("/glass/break-off-shared").await.status, 500);
            // A handler whose client leaves, if what it holds could be loaded.
            tokio::time::timeout(Duration::from_millis(100), browser.get("/glass/wait")).await.ok();
            assert_eq!(socket.ask("echo", &[]).await, "echo");
            drop(panics);
            let after = socket.ask("fill", &[]).await.as_u64().expect("a number");
            assert!((before + 1..=before + 5).contains(&after), "{before}, then {after} in round {round}");
        }
        let panics = Panics::from_now_on(Code::Drop);
        browser.get("/glass/flush").await.ok();
        drop(panics);
        assert_eq!(browser.get("/glass/fill").await.ok(), "1 1");
    }
}

#[tokio::test]
async fn a_value_that_is_replaced_panics_and_its_successor_is_stored() {
    let app = app(MemoryBackend::default());
    let (browser, mut socket) = visitor(&app).await;
    browser.get("/glass/put").await.ok();
    assert_eq!(socket.ask("read", &[]).await, 5);
    let panics = Panics::from_now_on(Code::Drop);
    browser.get("/glass/put").await.ok();
    drop(panics);
    assert_eq!(socket.ask("read", &[]).await, 5);
}

#[tokio::test]
async fn a_connection_is_refused_with_the_reason() {
    let app = app(MemoryBackend::default());
    let (browser, mut socket) = visitor(&app).await;
    for namespace in ["/reader", "/admitted"] {
        let panics = Panics::from_now_on(Code::Default);
        let told = socket.join(namespace).await.expect_err("no default");
        assert!(told.contains("panicked"), "{told}");
        drop(panics);
    }
    let told = socket.join("/refused").await.expect_err("no text");
    assert!(told.contains("panicked"), "{told}");
    assert_eq!(browser.get("/glass/read").await.ok(), "0 0");
    assert_eq!(socket.ask("fill", &[]).await, 1);
    socket.join("/admitted").await.unwrap();
    assert_eq!(socket.ask("read", &[]).await, json!(2));
}

#[tokio::test]
async fn a_response_that_panics_as_it_is_made_is_a_500() {
    let app = app(MemoryBackend::default());
    let (browser, mut socket) = visitor(&app).await;
    assert_eq!(browser.get("/glass/page").await.status, 500);
    assert_eq!(socket.ask("find", &[]).await, Value::Null);
    assert_eq!(browser.get("/glass/keep-page").await.status, 500);
    assert_eq!(socket.ask("find", &[]).await, 1);
}
