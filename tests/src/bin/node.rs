//! A node of several, as a process of its own: `node <Redis> <lease in ms>`. It prints its address, and `holding` when
//! a handler has its turns and waits until a line is read from standard input. It ends with standard input.

use std::{env, error::Error, process, thread, time::Duration};

use axum::{Json, Router, extract::Path, routing::get};
use serde_json::{Value, json};
use socketioxide::{SocketIo, extract::SocketRef};
use socketioxide_session::{RedisBackend, connect_handler, http_handler, session_state, socket_handler};
use socketioxide_session_tests::{app::sessions, process::say_where};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};

/// A permit a line of standard input.
static GO_ON: Semaphore = Semaphore::const_new(0);

#[session_state]
struct Counter {
    n: u64,
}

#[session_state]
struct Profile {
    name: String,
}

async fn count_slowly(counter: &mut Counter) -> u64 {
    // As a handler that asks somebody else between reading and writing.
    let n = counter.n;
    sleep(Duration::from_millis(n % 3)).await;
    counter.n = n + 1;
    counter.n
}

async fn count_much(counter: &mut Counter, profile: &mut Profile) {
    println!("holding");
    GO_ON.acquire().await.expect("nobody closes it").forget();
    counter.n += 1000;
    "whoever held".clone_into(&mut profile.name);
}

#[http_handler(profile)]
async fn rename(profile: &mut Profile, Path(name): Path<String>) {
    profile.name = name;
}

#[http_handler(counter, profile)]
async fn all(counter: &Counter, profile: &Profile) -> Json<Value> {
    Json(json!({ "n": counter.n, "name": profile.name }))
}

#[http_handler(counter)]
async fn add(counter: &mut Counter) -> Json<u64> {
    Json(count_slowly(counter).await)
}

#[http_handler(counter, profile)]
async fn hold(counter: &mut Counter, profile: &mut Profile) {
    count_much(counter, profile).await;
}

#[socket_handler(counter)]
async fn socket_add(counter: &mut Counter) -> u64 {
    count_slowly(counter).await
}

#[socket_handler(counter, profile)]
async fn socket_hold(counter: &mut Counter, profile: &mut Profile) {
    count_much(counter, profile).await;
}

#[connect_handler]
async fn connected(socket: SocketRef) {
    socket.on("add", socket_add);
    socket.on("hold", socket_hold);
    // On a busy machine CONNECT may be heard well before this.
    socket.emit("ready", &()).ok();
}

fn listen_to_standard_input() {
    thread::spawn(|| {
        for _ in std::io::stdin().lines() {
            GO_ON.add_permits(1);
        }
        process::exit(0);
    });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    listen_to_standard_input();
    let mut arguments = env::args().skip(1);
    let redis = arguments.next().ok_or("the address of Redis is missing")?;
    let lease = arguments.next().ok_or("the lease is missing")?.parse()?;
    let backend = RedisBackend::connect(redis).await?.with_lease(Duration::from_millis(lease));

    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let app = Router::new()
        .route("/rename/{name}", get(rename))
        .route("/all", get(all))
        .route("/add", get(add))
        .route("/hold", get(hold));
    let app = app.layer(sockets).layer(sessions(backend));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say_where(listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
