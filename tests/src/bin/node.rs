//! A node of several, as a process of its own: `node <URL of Redis or PostgreSQL> <lease in ms>`. It prints its address, and `holding` when
//! a handler has its turns and waits until a line is read from standard input. It ends with standard input, and in an
//! orderly way at SIGTERM.

use std::{env, error::Error, process, thread, time::Duration};

use axum::{Json, Router, extract::Path, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{
    EventRouter, PostgresBackend, RedisBackend, SessionLayer, http_handler, socket_handler,
};
use socketioxide_session_tests::{
    app::{sessions, with_sockets},
    fixture::shop::{self, Counter, HELD, User},
    ledger,
    process::say_where,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};
use tower_sessions_sqlx_store::sqlx::PgPool;

/// A permit a line of standard input.
static GO_ON: Semaphore = Semaphore::const_new(0);

async fn count_much(counter: &mut Counter, user: &mut User) {
    println!("holding");
    GO_ON.acquire().await.expect("nobody closes it").forget();
    counter.count += HELD;
    user.name = Some("whoever held".to_owned());
}

#[http_handler(user)]
async fn rename(user: &mut User, Path(name): Path<String>) {
    user.name = Some(name);
}

#[http_handler(counter, user)]
async fn all(counter: &Counter, user: &User) -> Json<Value> {
    Json(json!({ "n": counter.count, "name": user.name }))
}

#[http_handler(counter, user)]
async fn hold(counter: &mut Counter, user: &mut User) {
    count_much(counter, user).await;
}

#[socket_handler(counter, user)]
async fn socket_hold(counter: &mut Counter, user: &mut User) {
    count_much(counter, user).await;
}

fn connected() -> EventRouter {
    EventRouter::new()
        .on("add", shop::sockets::slow_add)
        .on("hold", socket_hold)
        .on("note", ledger::socket_note)
}

fn listen_to_standard_input() {
    thread::spawn(|| {
        for _ in std::io::stdin().lines() {
            GO_ON.add_permits(1);
        }
        process::exit(0);
    });
}

async fn serve(sessions: SessionLayer) -> Result<(), Box<dyn Error>> {
    let routes = Router::new()
        .route("/rename/{name}", get(rename))
        .route("/all", get(all))
        .route("/add", get(shop::http::slow_add))
        .route("/hold", get(hold))
        .merge(ledger::routes());
    let app = with_sockets(routes, (), |io| io.ns("/", connected())).layer(sessions.clone());
    let mut terminated = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say_where(listener.local_addr()?);
    let stopped = async move {
        terminated.recv().await;
        sessions.shutdown(Duration::from_secs(10)).await;
    };
    Ok(axum::serve(listener, app).with_graceful_shutdown(stopped).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    listen_to_standard_input();
    let mut arguments = env::args().skip(1);
    let engine = arguments.next().ok_or("the address of the engine is missing")?;
    let lease = Duration::from_millis(arguments.next().ok_or("the lease is missing")?.parse()?);
    if engine.starts_with("postgres:") {
        let backend = PostgresBackend::builder(PgPool::connect(&engine).await?).with_lease(lease).build()?;
        backend.migrate().await?;
        return serve(sessions(backend)).await;
    }
    serve(sessions(RedisBackend::connect(engine).await?.with_lease(lease))).await
}
