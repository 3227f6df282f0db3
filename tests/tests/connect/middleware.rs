//! `#[connect_middleware]`: who may connect is said in one function, before annotated and plain handlers alike.
//!
//! Clauses: 5, 9, 11.

use axum::Router;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
    handler::ConnectHandler,
};
use socketioxide_session::{MemoryBackend, connect_handler, connect_middleware, session_alive};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    fixture::shop::{self, User},
    node::{Connect, OfficialClients, Transport},
};

#[connect_middleware(user)]
async fn members_only(user: &User) -> Result<(), &'static str> {
    if user.name.is_some() { Ok(()) } else { Err("Please log in first.") }
}

#[connect_middleware(user)]
async fn count(user: &mut User, socket: SocketRef) -> Result<(), &'static str> {
    user.visits += 1;
    if socket.ns() == "/full" { Err("There is no room.") } else { Ok(()) }
}

/// One of socketioxide's own kind.
async fn with_ticket(Data(ticket): Data<Value>) -> Result<(), &'static str> {
    if ticket["ticket"] == 1 { Ok(()) } else { Err("A ticket, please.") }
}

#[connect_handler(user)]
async fn annotated(user: &User, socket: SocketRef) {
    socket.emit("welcome", &(&user.name, user.visits)).ok();
    shop::listen(&socket);
}

async fn plain(socket: SocketRef) {
    socket.emit("welcome", "plain").ok();
    shop::listen(&socket);
}

fn namespaces(io: &SocketIo) {
    io.ns("/annotated", annotated.with(members_only));
    io.ns("/plain", plain.with(members_only));
    io.ns("/annotated/ticket", annotated.with(members_only).with(with_ticket));
    io.ns("/ticket/annotated", annotated.with(with_ticket).with(members_only));
    io.ns("/plain/ticket", plain.with(members_only).with(with_ticket));
    io.ns("/ticket/plain", plain.with(with_ticket).with(members_only));
    io.ns("/counted", annotated.with(count).with(members_only));
    io.ns("/full", annotated.with(count));
    io.ns("/alive", plain.with(session_alive).with(with_ticket));
}

fn app() -> App {
    shop::open_with(sessions(MemoryBackend::default()), Router::new(), namespaces).0
}

const MEMBERS: [&str; 6] =
    ["/annotated", "/plain", "/annotated/ticket", "/ticket/annotated", "/plain/ticket", "/ticket/plain"];

#[tokio::test]
async fn it_lets_in_whom_it_should_and_tells_the_others_why() {
    let app = app();
    let clients = OfficialClients::start();
    let browser = Client::new(&app);
    browser.get("/login").await.ok();
    let cookie = browser.session();
    for transport in [Transport::Polling, Transport::WebSocket] {
        for namespace in MEMBERS {
            let connect = || {
                let connect = Connect::to(&app, transport).namespace(namespace);
                connect.auth(json!({ "ticket": 1 }))
            };
            let refused = clients.try_connect(connect()).await.expect_err("a stranger");
            assert_eq!(refused, "Please log in first.", "{namespace}");
            let socket = clients.connect(connect().cookie(&*cookie)).await;
            assert_eq!(socket.ask("who", &[]).await, "Ada", "{namespace}");
        }
    }
}

#[tokio::test]
async fn each_of_a_chain_is_asked_and_the_last_one_named_first() {
    let app = app();
    let clients = OfficialClients::start();
    let browser = Client::new(&app);
    browser.get("/login").await.ok();
    for (namespace, stranger) in [
        ("/annotated/ticket", "A ticket, please."),
        ("/ticket/annotated", "Please log in first."),
        ("/plain/ticket", "A ticket, please."),
        ("/ticket/plain", "Please log in first."),
    ] {
        let connect = || Connect::to(&app, Transport::WebSocket).namespace(namespace);
        let refused = clients.try_connect(connect().auth(json!({}))).await;
        assert_eq!(refused.expect_err("a stranger"), stranger, "{namespace}");
        let member = connect().cookie(browser.session()).auth(json!({}));
        let refused = clients.try_connect(member).await.expect_err("nobody without a ticket");
        assert_eq!(refused, "A ticket, please.", "{namespace}");
    }
    let connect = Connect::to(&app, Transport::Polling).namespace("/alive").auth(json!({}));
    assert_eq!(clients.try_connect(connect).await.expect_err("no ticket"), "A ticket, please.");
}

#[tokio::test]
async fn what_it_writes_the_handler_sees_and_what_it_refuses_is_undone() {
    let app = app();
    let browser = Client::new(&app);
    browser.get("/login").await.ok();
    let socket = Socket::open(&app, Some(&browser.session())).await.expect("a handshake");
    for connections in 1..4 {
        assert_eq!(socket.join("/full").await.expect_err("no room"), "There is no room.");
        socket.join("/counted").await.expect("a connection");
        assert_eq!(socket.event("welcome").await, [Value::from("Ada"), Value::from(connections)]);
        socket.send(&["41/counted,".to_owned()]).await;
    }
}

#[tokio::test]
async fn a_logout_ends_what_it_let_in_and_it_lets_in_nobody_after_it() {
    let app = app();
    let browser = Client::new(&app);
    browser.get("/login").await.ok();
    let socket = Socket::open(&app, Some(&browser.session())).await.expect("a handshake");
    let namespaces = ["/annotated", "/plain"];
    for namespace in namespaces {
        socket.join(namespace).await.expect("a member");
    }
    browser.get("/logout").await.ok();
    for namespace in namespaces {
        socket.disconnected(namespace).await;
        assert!(socket.join(namespace).await.is_err(), "{namespace}");
    }
}
