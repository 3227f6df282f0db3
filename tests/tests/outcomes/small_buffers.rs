//! Every event is answered, however slowly its client reads: in a buffer of a few packets.
//!
//! Clauses: 6.

use std::time::{Duration, Instant};

use axum::Router;
use serde_json::json;
use socketioxide::{SocketIo, extract::Data};
use socketioxide_session::{EventRouter, MemoryBackend, socket_handler, testing::Packet};
use socketioxide_session_tests::{app::sessions, client::Client, fixture::shop::Counter, raw::event_frame};

const EVENTS: u64 = 1000;

#[socket_handler(counter)]
async fn add(counter: &mut Counter, Data(n): Data<u64>) -> (u64, u64) {
    counter.count += 1;
    (n, counter.count)
}

#[socket_handler(counter)]
async fn fail(counter: &mut Counter, Data(n): Data<u64>) -> Result<(), u64> {
    counter.count += 1;
    Err(n)
}

fn connected() -> EventRouter {
    EventRouter::new().on("add", add).on("fail", fail)
}

fn app(buffered: usize) -> Client {
    let (sockets, io) = SocketIo::builder().max_buffer_size(buffered).build_layer();
    io.ns("/", connected());
    Client::of(Router::new().layer(sockets).layer(sessions(MemoryBackend::default())))
}

/// Sends all events before it reads anything; gives what comes back, an answer an event.
async fn answers(buffered: usize, pipe: usize, frame: impl Fn(u64) -> String) -> Vec<Packet> {
    let client = app(buffered);
    let socket = client.socket_through(pipe).await;
    let frames: Vec<_> = (0..EVENTS).map(frame).collect();
    // Engine.IO's first heartbeat goes out a millisecond after the handshake; one that finds its buffer full ends the
    // connection. A timer that is due later fires after it.
    tokio::time::sleep(Duration::from_millis(5)).await;
    socket.connection.pause_reading();
    socket.send(&frames).await;
    socket.connection.resume_reading();
    let began = Instant::now();
    let mut packets = Vec::new();
    for _ in 0..EVENTS {
        packets.push(socket.next().await.expect("a packet"));
    }
    println!("{EVENTS} answers through {buffered} packets and {pipe} bytes in {:.1?}", began.elapsed());
    packets
}

async fn every_event_is_acknowledged(buffered: usize, pipe: usize) {
    let packets = answers(buffered, pipe, |n| event_frame("/", Some(n), "add", &[json!(n)])).await;
    let mut answered: Vec<_> = packets
        .into_iter()
        .map(|packet| match packet {
            Packet::Ack { id, args: values, .. } => {
                // The events took effect in order, whatever the order of their answers.
                assert_eq!(values, [json!(id), json!(id + 1)]);
                id
            }
            other => panic!("no acknowledgement: {other:?}"),
        })
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn through_a_small_buffer() {
    every_event_is_acknowledged(4, 256).await;
}

#[tokio::test]
async fn through_a_buffer_of_one() {
    every_event_is_acknowledged(1, 256).await;
}

#[tokio::test]
async fn through_the_usual_buffer() {
    every_event_is_acknowledged(128, 64 * 1024).await;
}

/// An event without an acknowledgement that fails is reported as surely.
#[tokio::test]
async fn every_failure_is_reported_through_a_small_buffer() {
    let packets = answers(4, 256, |n| event_frame("/", None, "fail", &[json!(n)])).await;
    let mut reported: Vec<_> = packets
        .into_iter()
        .map(|packet| match packet {
            Packet::Event { name, args: values, .. } if name == "session_error" => {
                values[0]["error"].as_u64()
            }
            other => panic!("no session_error: {other:?}"),
        })
        .collect();
    reported.sort_unstable();
    assert_eq!(reported, (0..EVENTS).map(Some).collect::<Vec<_>>());
}
