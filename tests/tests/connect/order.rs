//! The order of connect middlewares, of the handlers in them, and of the connect function.
//!
//! Clauses: 9.

use std::sync::{Arc, Mutex};

use axum::Router;
use serde_json::json;
use socketioxide::{
    SocketIo,
    extract::{AckSender, Event, SocketRef, State},
    handler::ConnectHandler,
};
use socketioxide_session::{EventRouter, MemoryBackend, connect_handler, connect_middleware, session_alive};
use socketioxide_session_tests::{
    app::{sessions, with_sockets},
    client::Client,
    fixture::shop::Counter,
};

type Said = Arc<Mutex<Vec<&'static str>>>;

fn say(said: &Said, what: &'static str) {
    said.lock().expect("a list").push(what);
}

#[connect_handler(counter)]
async fn connected(counter: &mut Counter, State(said): State<Said>) {
    counter.count += 1;
    say(&said, "function");
}

#[connect_middleware(counter)]
async fn first(counter: &mut Counter, State(said): State<Said>) -> Result<(), &'static str> {
    counter.count += 1;
    say(&said, "first");
    Ok(())
}

async fn second(State(said): State<Said>) -> Result<(), &'static str> {
    say(&said, "second");
    Ok(())
}

#[connect_middleware]
async fn closed(State(said): State<Said>) -> Result<(), &'static str> {
    say(&said, "closed");
    Err("closed")
}

/// Registers before CONNECT, too: as `socket.on` inside of the function does, it replaces what `on` gave.
async fn registers(socket: SocketRef) -> Result<(), &'static str> {
    socket.on("add", async |ack: AckSender| drop(ack.send("the middleware's")));
    socket.on_fallback(async |Event(event): Event, ack: AckSender| drop(ack.send(&event)));
    Ok(())
}

async fn add(ack: AckSender) {
    ack.send("the router's").ok();
}

async fn plain(State(said): State<Said>) {
    say(&said, "function");
}

fn namespaces(io: &SocketIo) {
    io.ns("/", connected.with(first).on("add", add).with(second));
    io.ns("/other-way", connected.with(second).with(first).on("add", add));
    io.ns("/by-the-trait", ConnectHandler::with(ConnectHandler::with(connected, first), second));
    io.ns("/closed", EventRouter::new().on("add", add).with(closed).with(session_alive).with(second));
    io.ns("/alive", session_alive(plain.with(first)).with(second));
    io.ns("/alive-closed", session_alive(plain).with(closed).with(second));
    io.ns("/registers", EventRouter::new().on("add", add).with(registers));
}

fn app() -> (Client, Said) {
    let said = Said::default();
    let application = with_sockets(Router::new(), Arc::clone(&said), namespaces);
    (Client::of(application.layer(sessions(MemoryBackend::default()))), said)
}

#[tokio::test]
async fn the_middleware_given_last_runs_first_and_the_function_last() {
    let (client, said) = app();
    let mut socket = client.socket().await;
    assert_eq!(socket.ask("add", &[]).await, "the router's");
    assert_eq!(*said.lock().expect("a list"), ["second", "first", "function"]);
    for (namespace, order) in [
        ("/other-way", ["first", "second", "function"]),
        ("/by-the-trait", ["second", "first", "function"]),
        ("/alive", ["second", "first", "function"]),
    ] {
        said.lock().expect("a list").clear();
        socket.join(namespace).await.expect("a connection");
        // What the function says, it says before anything that is sent after this.
        if namespace == "/other-way" {
            assert_eq!(socket.ask_in(namespace, "add", &[]).await, "the router's");
        }
        while said.lock().expect("a list").len() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*said.lock().expect("a list"), order, "{namespace}");
    }
}

#[tokio::test]
async fn one_that_refuses_ends_it() {
    let (client, said) = app();
    let socket = client.socket().await;
    for namespace in ["/closed", "/alive-closed"] {
        said.lock().expect("a list").clear();
        assert_eq!(socket.join(namespace).await, Err("closed".to_owned()));
        assert_eq!(*said.lock().expect("a list"), ["second", "closed"], "{namespace}");
    }
}

#[tokio::test]
async fn what_a_middleware_registers_replaces_what_was_given() {
    let (client, _) = app();
    let mut socket = client.socket().await;
    socket.join("/registers").await.expect("a connection");
    assert_eq!(socket.ask_in("/registers", "add", &[]).await, "the middleware's");
    assert_eq!(socket.ask_in("/registers", "unknown", &[json!(1)]).await, "unknown");
}
