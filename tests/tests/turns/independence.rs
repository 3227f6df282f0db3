//! A state's turn holds up nobody who does not touch the state.
//!
//! Clauses: 3.

use std::time::Duration;

use axum::{Json, Router, extract::State, routing::get};
use socketioxide::extract::State as SocketState;
use socketioxide_session::{Backend, EventRouter, MemoryBackend, StoreBackend, http_handler, socket_handler};
use socketioxide_session_tests::{
    app::sessions,
    client::Client,
    fixture::shop::{self, Cart},
    gate::Gate,
    stores::TestStore,
};
use tokio::time::{Instant, sleep};

const SLOW: Duration = Duration::from_secs(5);

async fn shop_slowly(cart: &mut Cart, gate: &Gate) -> usize {
    gate.pass().await;
    sleep(SLOW).await;
    cart.items.push(1);
    cart.items.len()
}

#[http_handler(cart)]
async fn slow(cart: &mut Cart, State(gate): State<Gate>) -> Json<usize> {
    Json(shop_slowly(cart, &gate).await)
}

#[socket_handler(cart)]
async fn socket_slow(cart: &mut Cart, SocketState(gate): SocketState<Gate>) -> usize {
    shop_slowly(cart, &gate).await
}

fn connected() -> EventRouter {
    shop::events().on("slow", socket_slow)
}

fn app(backend: impl Backend) -> (Client, Gate) {
    let routes = Router::new().route("/slow", get(slow));
    let (app, gate) = shop::open_with(sessions(backend), routes, |io| io.ns("/", connected()));
    (Client::new(&app), gate)
}

/// While one writer of `Cart` is in its wait, every kind of `User` handler is served and no time passes.
async fn user_handlers_are_served_at_once(backend: impl Backend) {
    let (client, gate) = app(backend);
    gate.open_for_all();
    client.get("/visit").await.ok();
    let mut socket = client.socket().await;
    let mut shopping_socket = client.socket().await;
    for by_socket in [false, true] {
        let before = client.get("/visits").await.json().as_u64().expect("a number");
        let began = Instant::now();
        let shopping = if by_socket {
            shopping_socket.ask_later("/", "slow", &[]).await;
            None
        } else {
            Some(tokio::spawn(client.get("/slow")))
        };
        gate.reached().await;
        for round in (before..).step_by(3).take(100) {
            assert_eq!(client.get("/visit").await.json(), round + 1);
            assert_eq!(socket.ask("visit", &[]).await, round + 2);
            assert_eq!(client.get("/shared-visit").await.json(), round + 3);
            assert_eq!(client.get("/visits").await.json(), round + 3);
            assert_eq!(socket.ask("visits", &[]).await, round + 3);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);

        // The next writer of `Cart` does wait.
        client.get("/slow").await.ok();
        assert!(began.elapsed() >= 2 * SLOW, "{:?}", began.elapsed());
        match shopping {
            Some(request) => assert_eq!(request.await.expect("an answer").json(), 1),
            None => drop(shopping_socket.next().await),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_memory() {
    user_handlers_are_served_at_once(MemoryBackend::default()).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_store() {
    user_handlers_are_served_at_once(StoreBackend::new(TestStore::default())).await;
}
