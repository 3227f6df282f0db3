//! Clients of Socket.IO 2, which are connected to `/` without asking for it.
//!
//! Clauses: 9.

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use socketioxide::{
    SocketIo,
    extract::{Data, State},
};
use socketioxide_session::{MemoryBackend, connect_handler, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    fixture::shop::Counter,
    gate::Gate,
    soon,
};
use tokio::{net::TcpStream, runtime::Handle, task::block_in_place};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

#[connect_handler(counter)]
async fn connected(counter: &mut Counter, State(gate): State<Gate>) {
    counter.count += 100;
    block_in_place(|| Handle::current().block_on(soon("a gate that opens", gate.pass())));
}

#[socket_handler(counter)]
async fn add(counter: &mut Counter, Data(n): Data<u64>) -> u64 {
    counter.count += n;
    counter.count
}

fn namespaces(io: &SocketIo) {
    io.ns("/", connected.on("add", add));
}

async fn frame(connection: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> String {
    loop {
        let frame = soon("a frame", connection.next()).await.expect("a frame").expect("a connection");
        // A pong, and nothing else, is of no interest.
        match frame.into_text().expect("text").as_str() {
            "3" => {}
            text => return text.to_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_they_send_early_is_kept() {
    let gate = Gate::default();
    let application = with_sockets(Router::new(), gate.clone(), namespaces);
    let app = App::new(application.layer(sessions(MemoryBackend::default())));
    let url = format!("ws://{}/socket.io/?EIO=3&transport=websocket", app.address());
    let (mut connection, _) = soon("a handshake", connect_async(url)).await.expect("a handshake");
    assert!(frame(&mut connection).await.starts_with('0'), "Engine.IO's opening");
    assert_eq!(frame(&mut connection).await, "40", "connected without asking");
    gate.reached().await;
    for n in 1..=3 {
        connection.feed(Message::text(format!("42{n}[\"add\",{n}]"))).await.expect("room");
    }
    connection.feed(Message::text("424[\"add\",\"seven\"]")).await.expect("room");
    // A ping of theirs is answered when what stands before it has been read.
    connection.send(Message::text("2")).await.expect("room");
    let pong = soon("a pong", connection.next()).await.expect("a frame").expect("a connection");
    assert_eq!(pong.into_text().expect("text").as_str(), "3");
    gate.open();
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(frame(&mut connection).await);
    }
    answers.sort_unstable();
    assert_eq!(answers[..3], ["431[101]", "432[103]", "433[106]"]);
    assert!(answers[3].starts_with("434[{\"error\":") && answers[3].contains("bad_argument"), "{answers:?}");
}
