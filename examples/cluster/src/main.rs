//! The chat on two nodes and one Redis: log in on one port, log out on the other, and the sockets on both follow.
//!
//! `cargo run -p cluster` starts two processes, on `PORT` and the port after it (or on free ones with `PORT=0`). They
//! know nothing of each other but the Redis at `REDIS_URL`; where none is given, the first one starts a `redis-server`
//! of its own.

mod chat;
mod own_redis;

use std::{env, io::Read, process::Stdio, thread, time::Duration};

use redis::{Client, IntoConnectionInfo, ProtocolVersion};
use socketioxide::SocketIo;
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};
use socketioxide_session::{RedisBackend, SessionLayer};
use tokio::{net::TcpListener, process::Command};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The argument that makes a process the second node.
const SECOND: &str = "second-node";

#[tokio::main]
async fn main() -> Outcome {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let given = env::var("REDIS_URL").ok();
    if env::args().nth(1).as_deref() == Some(SECOND) {
        end_with_the_first_node();
        return node(port, &given.ok_or("the first node gives the REDIS_URL")?).await;
    }
    let (redis, _own) = match given {
        Some(url) => (url, None),
        None => own_redis::start().map(|own| (own.url.clone(), Some(own)))?,
    };
    tokio::select! {
        ended = node(port, &redis) => ended,
        // The port after 0, which means any free one, is any other free one.
        ended = second_node(if port == 0 { 0 } else { port + 1 }, &redis) => ended,
    }
}

/// What one server does; a real second one would run on another machine.
async fn node(port: u16, redis: &str) -> Outcome {
    // Sessions, turns, and the end of sockets whose session ends elsewhere.
    let sessions = RedisBackend::connect(redis).await?;
    // What `io.emit` says, on every node: socketioxide's own business, and its own connection, which must speak RESP3.
    let address = redis.into_connection_info()?;
    let settings = address.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(address.set_redis_settings(settings))?;
    let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
    let (sockets, io) = SocketIo::builder().with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", chat::events()).await?;

    // Over plain http a Secure cookie travels to localhost alone, if at all.
    let sessions = SessionLayer::new(sessions).with_secure(false);
    let app = chat::pages()
        .layer(sockets)
        // Cookies belong to a host, whatever the port: a browser shows the one it got from the first node to the second
        // one, too. Nodes on several hosts stand behind one balancer, which is the only host that browsers know.
        .layer(sessions.clone());
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    let stopped = async move {
        asked_to_stop().await;
        // Sockets go to another node, handlers at work end, and no turn waits for a node that is gone.
        sessions.shutdown(Duration::from_secs(10)).await;
    };
    Ok(axum::serve(listener, app).with_graceful_shutdown(stopped).await?)
}

/// By Ctrl-C, or by the SIGTERM that service managers send.
async fn asked_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    tokio::signal::ctrl_c().await.ok();
}

/// Runs this program a second time, until one of the two ends.
async fn second_node(port: u16, redis: &str) -> Outcome {
    let mut process = Command::new(env::current_exe()?)
        .arg(SECOND)
        .env("PORT", port.to_string())
        .env("REDIS_URL", redis)
        .stdin(Stdio::piped())
        .spawn()?;
    // Open for as long as this process lives.
    let _line = process.stdin.take();
    Err(format!("the second node ended: {}", process.wait().await?).into())
}

/// The second node's standard input ends with the first node, however that ended.
fn end_with_the_first_node() {
    thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
}
