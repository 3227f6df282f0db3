//! The chat on two nodes and one Redis or PostgreSQL: log in on one port, log out on the other, and the sockets on both
//! follow.
//!
//! `cargo run -p cluster` starts two processes, on `PORT` and the port after it (or on free ones with `PORT=0`). They
//! know nothing of each other but the PostgreSQL at `DATABASE_URL` or the Redis at `REDIS_URL`; where neither is given, the
//! first one starts a `redis-server` of its own.

mod chat;
mod engines;
mod own_redis;

use std::{env, io::Read, process::Stdio, thread, time::Duration};

use socketioxide::{adapter::Adapter, layer::SocketIoLayer};
use socketioxide_session::SessionLayer;
use tokio::{net::TcpListener, process::Command};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The argument that makes a process the second node.
const SECOND: &str = "second-node";

#[tokio::main]
async fn main() -> Outcome {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let given = env::var("DATABASE_URL").or_else(|_| env::var("REDIS_URL")).ok();
    if env::args().nth(1).as_deref() == Some(SECOND) {
        end_with_the_first_node();
        return engines::node(port, &given.ok_or("the first node gives the REDIS_URL")?).await;
    }
    let (engine, _own) = match given {
        Some(url) => (url, None),
        None => own_redis::start().map(|own| (own.url.clone(), Some(own)))?,
    };
    tokio::select! {
        ended = engines::node(port, &engine) => ended,
        // The port after 0, which means any free one, is any other free one.
        ended = second_node(if port == 0 { 0 } else { port + 1 }, &engine) => ended,
    }
}

/// What one server does, whatever keeps its sessions; a real second one would run on another machine.
async fn serve<A: Adapter>(port: u16, sessions: SessionLayer, sockets: SocketIoLayer<A>) -> Outcome {
    // Over plain http a Secure cookie travels to localhost alone, if at all.
    let sessions = sessions.with_secure(false);
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
async fn second_node(port: u16, engine: &str) -> Outcome {
    let mut process = Command::new(env::current_exe()?)
        .arg(SECOND)
        .env("PORT", port.to_string())
        .env(if engines::is_postgres(engine) { "DATABASE_URL" } else { "REDIS_URL" }, engine)
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
