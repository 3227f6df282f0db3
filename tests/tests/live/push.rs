//! What the sockets of a session are sent, and when.
//!
//! Clauses: 10, 11, 15.

use std::sync::{Arc, Mutex, mpsc};

use axum::{Router, routing::get};
use serde_json::{Value, json};
use socketioxide::extract::{SocketRef, State};
use socketioxide_session::{
    EventRouter, MemoryBackend, Session, StoreBackend, connect_handler, http_handler, testing::Packet,
};
use socketioxide_session_tests::{
    PATIENCE,
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    node::{Connect, OfficialClients, Transport},
    soon,
    stores::TestStore,
};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::yield_now,
};

use crate::stage::{Tools, User, next_event, on_each, router, routes, sent, visitor};

#[tokio::test]
async fn whoever_commits_every_tab_is_sent_it_in_every_namespace() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let cookie = ada.cookie();
        let (mut first, second) =
            (Socket::connect(&app, cookie.as_deref()).await, Socket::polling(&app, cookie.as_deref()).await);
        assert_eq!(first.event("user").await, sent("ada", 0), "{backend}: at first");
        assert_eq!(second.event("user").await, sent("ada", 0), "{backend}: at first, over polling");
        second.join("/shop").await.expect("a connection");
        assert_eq!(next_event(&second).await, ("/shop".to_owned(), sent("ada", 0)), "{backend}");
        for (who, path, expected) in [
            ("a handler", "/rename?name=bea", sent("bea", 0)),
            ("another field", "/visit", sent("bea", 1)),
            ("`Shared`", "/shared?name=cleo", sent("cleo", 1)),
            ("a plain `Session`", "/plain?name=dora", sent("dora", 7)),
        ] {
            ada.get(path).await;
            assert_eq!(first.event("user").await, expected, "{backend}: {who}");
            let mut both = [next_event(&second).await, next_event(&second).await];
            both.sort_by(|one, other| one.0.cmp(&other.0));
            assert_eq!(both, [("/".to_owned(), expected.clone()), ("/shop".to_owned(), expected)]);
        }
        first.ask("rename", &[json!("eve")]).await;
        assert_eq!(first.event("user").await, sent("eve", 7), "{backend}: an event, in the acting tab");
        assert_eq!(second.event("user").await, sent("eve", 7), "{backend}: an event, in another");
        assert!(second.unasked().is_empty(), "{backend}: nothing else was sent");
    }
}

/// The next visible change is what comes next.
#[tokio::test]
async fn what_only_the_server_has_is_not_sent_and_sends_nothing() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 0));
        for _ in 0..3 {
            ada.get("/fail").await;
        }
        ada.get("/visit").await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 1), "{backend}");
    }
}

/// Such a commit is nothing that a socket reads for: what it would read might be of the next one, and be sent twice.
#[tokio::test]
async fn what_only_the_server_has_is_read_by_no_socket() {
    let store = TestStore::default();
    let layer = sessions(StoreBackend::new(store.clone())).with_live::<User>();
    let app = App::new(router(&Tools::default(), routes(), layer));
    let ada = visitor(&app, "ada").await;
    let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
    assert_eq!(next_event(&socket).await.1, sent("ada", 0));
    let before = store.loads();
    for _ in 0..20 {
        ada.get("/fail").await.ok();
        // A task that would read runs now.
        yield_now().await;
    }
    ada.get("/visit").await.ok();
    assert_eq!(next_event(&socket).await.1, sent("ada", 1));
    assert_eq!(store.loads() - before, 21 * 2 + 1, "two loads a request, and one of the socket");
}

mod renamed {
    use socketioxide_session::{http_handler, session_state};

    #[session_state(key = "user", emit = "user")]
    #[serde(rename_all = "camelCase")]
    pub(super) struct User {
        pub(super) name: Option<String>,
        #[serde(rename = "visits")]
        pub(super) number: u32,
        #[session(server_only)]
        #[serde(alias = "failures")]
        pub(super) failed_logins: u32,
    }

    #[http_handler(user)]
    pub(super) async fn fail(user: &mut User) {
        user.failed_logins += 1;
    }

    #[http_handler(user)]
    pub(super) async fn visit(user: &mut User) {
        user.number += 1;
    }
}

/// Under whichever name they are stored, or were.
#[tokio::test]
async fn what_only_the_server_has_is_not_sent_under_any_of_its_names() {
    let routes = Router::new().route("/fail", get(renamed::fail)).route("/visit", get(renamed::visit)).route(
        "/older",
        get(async |session: Session| {
            session.insert("user", json!({ "name": "ada", "failures": 3 })).await.expect("a value");
        }),
    );
    let sockets = with_sockets(routes, (), |io| io.ns("/", EventRouter::new()));
    let app = App::new(sockets.layer(sessions(MemoryBackend::default()).with_live::<renamed::User>()));
    let ada = Client::new(&app);
    ada.get("/older").await.ok();
    let tab = Socket::connect(&app, ada.cookie().as_deref()).await;
    assert_eq!(next_event(&tab).await.1, sent("ada", 0), "an alias");
    ada.get("/fail").await.ok();
    ada.get("/fail").await.ok();
    ada.get("/visit").await.ok();
    assert_eq!(next_event(&tab).await.1, sent("ada", 1), "and nothing before it");
}

#[tokio::test]
async fn what_is_committed_without_a_change_sends_nothing() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 0));
        ada.get("/rename?name=ada").await;
        ada.get("/plain?name=ada").await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 7), "{backend}");
        ada.get("/plain?name=ada").await;
        ada.get("/visit").await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 8), "{backend}");
    }
}

/// A change that is taken back at once is two changes: the last one is sent in any case.
#[tokio::test]
async fn a_change_back_is_a_change() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 0));
        let (away, back) = (ada.get("/rename?name=bea"), ada.get("/rename?name=ada"));
        tokio::join!(away, back);
        let mut next = next_event(&socket).await.1;
        if next == sent("bea", 0) {
            next = next_event(&socket).await.1;
        }
        assert_eq!(next, sent("ada", 0), "{backend}");
    }
}

/// The function has seen the older name; it is not sent anything before it waits, and then what there is.
#[tokio::test]
async fn at_first_it_is_sent_when_the_connect_function_has_first_waited() {
    for (backend, app, tools) in on_each() {
        let ada = visitor(&app, "ada").await;
        let socket = Socket::open(&app, ada.cookie().as_deref()).await.expect("a handshake");
        socket.join("/later").await.expect("a connection");
        assert_eq!(socket.event("seen").await, [json!("ada")], "{backend}");
        tools.gate.reached().await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 0), "{backend}: while it waits");
        tools.gate.open();
        ada.get("/visit").await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 1), "{backend}: once");
    }
}

/// Blocks the thread, so that others commit before the connect function has waited for anything.
#[derive(Clone)]
struct Blocks(UnboundedSender<()>, Arc<Mutex<mpsc::Receiver<()>>>);

#[connect_handler]
async fn connected_and_blocks(socket: SocketRef, State(Blocks(has_come, goes_on)): State<Blocks>) {
    has_come.send(()).ok();
    goes_on.lock().expect("a lock").recv_timeout(PATIENCE).ok();
    socket.emit("first", &json!(null)).ok();
}

#[http_handler(user)]
async fn visit(user: &mut User) {
    user.visits += 1;
}

/// What it sends itself, before it waits, comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_committed_before_the_connect_function_has_waited_is_sent_after_that() {
    let (has_come, mut reached) = unbounded_channel();
    let (go, goes_on) = mpsc::channel();
    let blocks = Blocks(has_come, Arc::new(Mutex::new(goes_on)));
    let sockets = with_sockets(Router::new().route("/visit", get(visit)), blocks, |io| {
        io.ns("/", EventRouter::new());
        io.ns("/blocks", connected_and_blocks);
    });
    let app = App::new(sockets.layer(sessions(MemoryBackend::default()).with_live::<User>()));
    let ada = Client::new(&app);
    ada.get("/visit").await.ok();
    let other = Socket::connect(&app, ada.cookie().as_deref()).await;
    assert_eq!(next_event(&other).await.1, sent(Value::Null, 1));
    let tab = Socket::open(&app, ada.cookie().as_deref()).await.expect("a handshake");
    tab.send(&["40/blocks,".to_owned()]).await;
    soon("the connect function", reached.recv()).await;
    for visits in 2..4 {
        ada.get("/visit").await.ok();
        assert_eq!(next_event(&other).await.1, sent(Value::Null, visits));
    }
    go.send(()).expect("the connect function");
    let is_event = |packet: &Packet| matches!(packet, Packet::Event { .. });
    assert!(matches!(tab.wait("an event", is_event).await, Packet::Event { name, .. } if name == "first"));
    assert_eq!(next_event(&tab).await.1, sent(Value::Null, 3));
}

/// Nothing of what is there at first: nobody's connect handler here is this crate's.
#[tokio::test]
async fn plain_namespaces_are_sent_it_from_when_they_are_bound() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let mut socket = Socket::open(&app, ada.cookie().as_deref()).await.expect("a handshake");
        for namespace in ["/guarded", "/bare"] {
            socket.join(namespace).await.expect("a connection");
        }
        ada.get("/visit").await;
        assert_eq!(next_event(&socket).await, ("/guarded".to_owned(), sent("ada", 1)), "{backend}");
        socket.ask_in("/bare", "rename", &[json!("bea")]).await;
        let mut both = [next_event(&socket).await, next_event(&socket).await];
        both.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = sent("bea", 1);
        assert_eq!(
            both,
            [("/bare".to_owned(), expected.clone()), ("/guarded".to_owned(), expected)],
            "{backend}"
        );
    }
}

/// Who has planted the old id in the browser hears nothing of the user, and no more of the session.
#[tokio::test]
async fn a_login_sends_nothing_to_the_sockets_of_the_old_id() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "nobody").await;
        let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&socket).await.1, sent("nobody", 0));
        ada.get("/login?name=ada").await.ok();
        ada.get("/visit").await.ok();
        socket.disconnected("/").await;
        let told = socket.unasked();
        assert!(!format!("{told:?}").contains("ada"), "{backend}: {told:?}");
        let again = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&again).await.1, sent("ada", 1), "{backend}: with the new cookie");
    }
}

#[tokio::test]
async fn a_logout_sends_nothing() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 0));
        ada.get("/logout").await.ok();
        socket.disconnected("/").await;
        let told = socket.unasked();
        assert!(!format!("{told:?}").contains("\"user\""), "{backend}: {told:?}");
    }
}

/// Nothing is sent of it; the next value that does decode is.
#[tokio::test]
async fn what_does_not_decode_is_not_sent() {
    for (backend, app, _) in on_each() {
        let ada = visitor(&app, "ada").await;
        let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
        assert_eq!(next_event(&socket).await.1, sent("ada", 0));
        ada.get("/spoil").await.ok();
        ada.get("/plain?name=bea").await.ok();
        assert_eq!(next_event(&socket).await.1, sent("bea", 7), "{backend}");
    }
}

#[tokio::test]
async fn the_official_client_is_sent_it_on_each_transport() {
    let clients = OfficialClients::start();
    for (backend, app, _) in on_each() {
        for transport in [Transport::Polling, Transport::WebSocket, Transport::Upgrade] {
            let ada = visitor(&app, "ada").await;
            let socket = clients.connect(Connect::to(&app, transport).cookie(ada.session())).await;
            assert_eq!(socket.event("user").await, Value::from(sent("ada", 0)), "{backend} {transport:?}");
            ada.get("/visit").await;
            assert_eq!(socket.event("user").await, Value::from(sent("ada", 1)), "{backend} {transport:?}");
        }
    }
}
