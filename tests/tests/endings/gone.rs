//! A disconnect handler that was given with `on_disconnect` runs for every socket that was connected: on its session's states
//! while that lives, and after its end on what the socket's connection has last seen of them.
//!
//! Clauses: 11.

use std::time::Duration;

use axum::{Router, routing::get};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef, State},
    socket::DisconnectReason,
};
use socketioxide_session::{
    Backend, Error, EventRouter, Expiry, MemoryBackend, SessionControl, SessionLayer, Shared, StoreBackend,
    connect_handler, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    soon,
    stores::{Step, TestStore},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

#[session_state]
struct User {
    name: Option<String>,
    visits: u32,
}

#[session_state]
struct Cart {
    items: u32,
}

/// Where disconnect handlers tell what they have seen.
type Tell = UnboundedSender<Value>;

#[http_handler(user)]
async fn visit(user: &mut User) -> String {
    user.visits += 1;
    user.visits.to_string()
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.name = Some("Ada".to_owned());
    control.cycle_id()
}

#[http_handler]
async fn logout(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

async fn key(control: SessionControl) -> String {
    control.key().to_string()
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    socket.emit("welcome", &user.visits).ok();
}

#[socket_handler(user)]
async fn rename(user: &mut User, Data(name): Data<String>) {
    user.name = Some(name);
}

#[socket_handler(user)]
async fn rename_in_vain(user: &mut User) -> Result<(), String> {
    user.name = Some("nobody".to_owned());
    Err("no".to_owned())
}

#[socket_handler]
async fn forget(control: SessionControl) -> Result<(), Error> {
    control.remove::<User>()
}

#[socket_handler(user)]
async fn visits(user: &User) -> u32 {
    user.visits
}

#[socket_handler]
async fn leave(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

#[socket_handler(user)]
async fn gone(user: &User, socket: SocketRef, control: SessionControl, State(tell): State<Tell>) {
    let seen = json!({ "ns": socket.ns(), "name": user.name, "visits": user.visits, "key": control.key() });
    tell.send(seen).ok();
}

#[socket_handler(user, cart)]
async fn gone_with_cart(
    user: &mut User,
    cart: Option<&Cart>,
    control: SessionControl,
    State(tell): State<Tell>,
) {
    user.visits += 100;
    let seen = json!({ "visits": user.visits, "cart": cart.map(|cart| cart.items) });
    control.after_commit(async move { drop(tell.send(seen)) }).ok();
}

async fn gone_without(shared: Shared<User>, reason: DisconnectReason, State(tell): State<Tell>) {
    let visits = shared.read().await.map(|user| user.visits).map_err(|error| error.kind().code());
    tell.send(json!({ "reason": format!("{reason:?}"), "visits": visits })).ok();
}

struct Site {
    app: App,
    layer: SessionLayer,
    told: UnboundedReceiver<Value>,
}

/// A site whose namespaces are given here.
fn site_of(layer: SessionLayer, namespaces: impl FnOnce(&SocketIo)) -> Site {
    let (tell, told) = unbounded_channel::<Value>();
    let (sockets, io) = SocketIo::builder().with_state(tell).build_layer();
    namespaces(&io);
    let routes = Router::new()
        .route("/visit", get(visit))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/key", get(key))
        .layer(sockets)
        .layer(layer.clone());
    Site { app: App::new(routes), layer, told }
}

fn site(backend: impl Backend) -> Site {
    site_of(sessions(backend), |io| {
        let router = connected
            .on("rename", rename)
            .on("rename in vain", rename_in_vain)
            .on("forget", forget)
            .on("visits", visits)
            .on("leave", leave)
            .on_disconnect(gone);
        io.ns("/", router.clone());
        io.ns("/shop", router);
    })
}

impl Site {
    /// Somebody who has been here once, and his session's key.
    async fn visitor(&self) -> (Client, String) {
        let browser = Client::new(&self.app);
        browser.get("/visit").await.ok();
        let key = browser.get("/key").await.body;
        (browser, key)
    }

    async fn told(&mut self) -> Value {
        soon("a disconnect handler", self.told.recv()).await.expect("a site that is open")
    }

    /// What the handlers of both namespaces tell, whichever is first, and nothing after it.
    async fn told_in_both(&mut self) -> [Value; 2] {
        let mut both = [self.told().await, self.told().await];
        both.sort_by_key(|told| told["ns"].to_string());
        both
    }
}

async fn connect(app: &App, cookie: &str, polls: bool) -> Socket {
    if polls { Socket::polling(app, Some(cookie)).await } else { Socket::connect(app, Some(cookie)).await }
}

fn in_both(name: Option<&str>, visits: u32, key: &str) -> [Value; 2] {
    ["/", "/shop"].map(|ns| json!({ "ns": ns, "name": name, "visits": visits, "key": key }))
}

/// However the session ends, or only the socket, on both transports and in both namespaces: once each.
#[tokio::test]
async fn every_end_runs_it() {
    for backend in [true, false] {
        for polls in [true, false] {
            for end in ["/logout", "/login", "leave", "goodbye", "vanish"] {
                let mut site = if backend {
                    site(MemoryBackend::default())
                } else {
                    site(StoreBackend::new(TestStore::default()))
                };
                let (browser, key) = site.visitor().await;
                let mut socket = connect(&site.app, &browser.session(), polls).await;
                socket.join("/shop").await.expect("a connection");
                match end {
                    "leave" => assert_eq!(socket.ask("leave", &[]).await, json!(null)),
                    "goodbye" => {
                        socket.send(&["41".to_owned(), "41/shop,".to_owned()]).await;
                    }
                    "vanish" if !polls => {
                        socket.vanish();
                        assert_eq!(site.told_in_both().await, in_both(None, 1, &key));
                        continue;
                    }
                    // Nobody notices before the heartbeat.
                    "vanish" => continue,
                    path => assert_eq!(browser.get(path).await.status, 200),
                }
                let told = site.told_in_both().await;
                assert_eq!(told, in_both(None, 1, &key), "{end}, polling: {polls}, in memory: {backend}");
                if end == "/login" {
                    // It stays the session's key.
                    assert_eq!(browser.get("/key").await.body, key);
                }
                assert!(site.told.try_recv().is_err(), "once each: {end}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_expiry() {
    let hour = Expiry::OnInactivity(time::Duration::hours(1));
    for polls in [true, false] {
        let mut site = site_of(sessions(MemoryBackend::default()).with_expiry(hour), |io| {
            io.ns("/", connected.on_disconnect(gone));
            io.ns("/shop", connected.on_disconnect(gone));
        });
        let (browser, key) = site.visitor().await;
        let socket = connect(&site.app, &browser.session(), polls).await;
        socket.join("/shop").await.expect("a connection");
        assert!(!socket.listen(Duration::from_mins(62)).await, "the session expires");
        assert_eq!(site.told_in_both().await, in_both(None, 1, &key));
    }
}

/// At connect, then with each event of the connection that has the state; and as its events commit it.
#[tokio::test]
async fn it_sees_what_the_connection_saw_last() {
    type Steps = &'static [(&'static str, &'static str)];
    let cases: [(Steps, Option<&str>, u32); 8] = [
        (&[("get", "/visit")], None, 1),
        (&[("get", "/visit"), ("/", "visits")], None, 2),
        (&[("get", "/visit"), ("/shop", "visits"), ("get", "/visit")], None, 2),
        (&[("/", "rename")], Some("Ada"), 1),
        (&[("/shop", "rename"), ("get", "/visit")], Some("Ada"), 1),
        (&[("/", "rename"), ("get", "/visit"), ("/", "rename in vain")], Some("Ada"), 2),
        (&[("/", "rename"), ("/", "forget")], None, 0),
        (&[("/", "forget"), ("/", "rename")], Some("Ada"), 0),
    ];
    for (steps, name, visits) in cases {
        let mut site = site(MemoryBackend::default());
        let (browser, key) = site.visitor().await;
        let mut socket = Socket::connect(&site.app, Some(&browser.session())).await;
        socket.join("/shop").await.expect("a connection");
        for (to, what) in steps {
            if *to == "get" {
                browser.get(what).await.ok();
            } else {
                socket.ask_in(to, what, &[json!("Ada")]).await;
            }
        }
        browser.get("/logout").await.ok();
        assert_eq!(site.told_in_both().await, in_both(name, visits, &key), "{steps:?}");
    }
}

/// What a socket is pushed it has seen, too.
#[tokio::test]
async fn it_sees_what_was_pushed_last() {
    #[socket_handler(name)]
    async fn gone_by_name(name: &Name, State(tell): State<Tell>) {
        tell.send(json!(name.name)).ok();
    }
    let (tell, mut told) = unbounded_channel::<Value>();
    let routes = Router::new().route("/rename", get(rename_live)).route("/logout", get(logout));
    let application =
        with_sockets(routes, tell, |io| io.ns("/", EventRouter::new().on_disconnect(gone_by_name)));
    let layer = sessions(MemoryBackend::default()).with_live::<Name>();
    let browser = Client::of(application.layer(layer));
    browser.get("/rename").await.ok();
    let socket = browser.socket().await;
    assert_eq!(socket.event("name").await, [json!({ "name": "x" })]);
    browser.get("/rename").await.ok();
    assert_eq!(socket.event("name").await, [json!({ "name": "xx" })]);
    browser.get("/logout").await.ok();
    assert_eq!(soon("a disconnect handler", told.recv()).await, Some(json!("xx")));
}

#[session_state(emit = "name")]
struct Name {
    name: String,
}

#[http_handler(name)]
async fn rename_live(name: &mut Name) {
    name.name.push('x');
}

/// While the session lives it is loaded, and what the handler changes is saved.
#[tokio::test]
async fn while_the_session_lives_it_is_as_any_call() {
    let mut site = site_of(sessions(MemoryBackend::default()), |io| {
        io.ns("/", connected.on_disconnect(gone_with_cart));
    });
    let (browser, _) = site.visitor().await;
    let socket = Socket::connect(&site.app, Some(&browser.session())).await;
    browser.get("/visit").await.ok();
    socket.vanish();
    assert_eq!(site.told().await, json!({ "visits": 102, "cart": null }));
    assert_eq!(browser.get("/visit").await.body, "103");
}

/// After its end the handler changes a copy, and what it wanted begun after its commit is begun.
#[tokio::test]
async fn what_it_changes_after_the_end_is_saved_nowhere() {
    for path in ["/logout", "/login"] {
        let mut site = site_of(sessions(MemoryBackend::default()), |io| {
            io.ns("/", connected.on_disconnect(gone_with_cart));
        });
        let (browser, _) = site.visitor().await;
        let _socket = Socket::connect(&site.app, Some(&browser.session())).await;
        browser.get(path).await.ok();
        assert_eq!(site.told().await, json!({ "visits": 101, "cart": null }), "{path}");
        let visits = if path == "/login" { "2" } else { "1" };
        assert_eq!(browser.get("/visit").await.body, visits, "{path}");
    }
}

/// Also where nothing else of the namespace has the handler's states; and where it is given to a namespace that is made
/// later.
#[tokio::test]
async fn it_needs_no_connect_function() {
    let mut site = site_of(sessions(MemoryBackend::default()), |io| {
        io.ns("/", EventRouter::new().on_disconnect(gone));
        io.dyn_ns("/of/{name}", EventRouter::new().on_disconnect(gone)).expect("a pattern");
    });
    let (browser, key) = site.visitor().await;
    let socket = Socket::connect(&site.app, Some(&browser.session())).await;
    socket.join("/of/ada").await.expect("a connection");
    browser.get("/logout").await.ok();
    let told = site.told_in_both().await;
    assert_eq!(told, ["/", "/of/ada"].map(|ns| json!({ "ns": ns, "name": null, "visits": 1, "key": key })));
}

/// A handler without an attribute, or registered inside, has what it can have without the session.
#[tokio::test]
async fn handlers_without_states_run_as_ever_and_cost_nothing() {
    #[connect_handler(user)]
    async fn registers(user: &User, socket: SocketRef) {
        if user.visits > 0 {
            socket.on_disconnect(gone_without);
        }
    }
    let store = TestStore::default();
    let mut site = site_of(sessions(StoreBackend::new(store.clone())), |io| {
        io.ns("/", registers);
        io.ns("/shop", connected.on_disconnect(gone_without));
        io.ns("/bare", connected);
    });
    let (browser, _) = site.visitor().await;
    let socket = Socket::open(&site.app, Some(&browser.session())).await.expect("a handshake");
    let mut loads = Vec::new();
    for namespace in ["/", "/shop", "/bare"] {
        let before = store.loads();
        socket.join(namespace).await.expect("a connection");
        loads.push(store.loads() - before);
    }
    assert_eq!(loads, [loads[2]; 3], "nothing more is loaded");
    assert!(site.told.try_recv().is_err(), "nobody has left");
    browser.get("/logout").await.ok();
    for _ in 0..2 {
        let told = site.told().await;
        assert_eq!(told, json!({ "reason": "ServerNSDisconnect", "visits": { "Err": "session_ended" } }));
    }
}

/// A store that does not answer when the client goes.
#[tokio::test]
async fn a_session_that_cannot_be_had_is_as_it_was_seen_last() {
    let store = TestStore::default();
    let mut site = site(StoreBackend::new(store.clone()));
    let (browser, key) = site.visitor().await;
    let socket = Socket::connect(&site.app, Some(&browser.session())).await;
    store.break_down(Step::Load);
    socket.vanish();
    assert_eq!(site.told().await, json!({ "ns": "/", "name": null, "visits": 1, "key": key }));
}

/// Whoever closes them: the server goes, and who was here is told for each socket, once.
#[tokio::test]
async fn a_shutdown_runs_it_too() {
    for polls in [true, false] {
        let mut site = site(MemoryBackend::default());
        let (browser, key) = site.visitor().await;
        let socket = connect(&site.app, &browser.session(), polls).await;
        socket.join("/shop").await.expect("a connection");
        assert!(site.layer.shutdown(Duration::from_secs(30)).await);
        assert_eq!(site.told_in_both().await, in_both(None, 1, &key), "polling: {polls}");
        while socket.next().await.is_some() {}
        assert!(site.told.try_recv().is_err(), "once each");
    }
}
