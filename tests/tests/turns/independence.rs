//! A state's turn holds up nobody who does not touch the state.
//!
//! Clauses: 3.

use std::time::Duration;

use axum::{Json, Router, extract::State, routing::get};
use socketioxide::{
    SocketIo,
    extract::{SocketRef, State as SocketState},
};
use socketioxide_session::{
    Backend, MemoryBackend, Shared, StoreBackend, connect_handler, http_handler, session_state,
    socket_handler,
};
use socketioxide_session_tests::{app::sessions, client::Client, gate::Gate, stores::TestStore};
use tokio::time::{Instant, sleep};

const SLOW: Duration = Duration::from_secs(5);

#[session_state]
struct User {
    visits: u32,
}

#[session_state]
struct Cart {
    items: u32,
}

async fn shop_slowly(cart: &mut Cart, gate: &Gate) -> u32 {
    gate.pass().await;
    sleep(SLOW).await;
    cart.items += 1;
    cart.items
}

#[http_handler(cart)]
async fn shop(cart: &mut Cart, State(gate): State<Gate>) -> Json<u32> {
    Json(shop_slowly(cart, &gate).await)
}

#[socket_handler(cart)]
async fn socket_shop(cart: &mut Cart, SocketState(gate): SocketState<Gate>) -> u32 {
    shop_slowly(cart, &gate).await
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

async fn shared_visit(user: Shared<User>) -> Json<u32> {
    let visit = |user: &mut User| {
        user.visits += 1;
        user.visits
    };
    Json(user.update(visit).await.expect("a turn"))
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[socket_handler(user)]
async fn socket_visits(user: &User) -> u32 {
    user.visits
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("shop", socket_shop);
    socket.on("visit", socket_visit);
    socket.on("visits", socket_visits);
}

fn app(backend: impl Backend) -> (Client, Gate) {
    let gate = Gate::default();
    let (sockets, io) = SocketIo::builder().with_state(gate.clone()).build_layer();
    io.ns("/", connected);
    let routes = Router::new()
        .route("/shop", get(shop))
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/shared-visit", get(shared_visit))
        .with_state(gate.clone());
    (Client::of(routes.layer(sockets).layer(sessions(backend))), gate)
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
            shopping_socket.ask_later("/", "shop", &[]).await;
            None
        } else {
            Some(tokio::spawn(client.get("/shop")))
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
        client.get("/shop").await.ok();
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
