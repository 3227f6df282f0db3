//! Several nodes on one engine, Redis or PostgreSQL, and what the tests of both do with them.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

pub mod chaos;
pub mod processes;
pub mod relays;
mod server;

use std::{collections::BTreeSet, process::Command, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinSet;

pub use self::server::Server;
use crate::{app::App, http, process::Process, raw::RawSocket};

/// What several nodes have in common.
pub trait Engine: Sync {
    /// A node in a process of its own, whose turns outlive it so long.
    fn node(&self, lease: Duration) -> impl Future<Output = Node>;

    /// Waits until somebody stands in the engine's line for a turn; there is one session.
    fn somebody_waits(&self) -> impl Future<Output = ()>;
}

/// A process of `src/bin/node.rs`. It is killed when this is dropped, and ends by itself when the test does.
#[derive(Debug)]
pub struct Node {
    pub process: Process,
    pub app: App,
}

impl Node {
    /// `program` is known to test targets alone: `CARGO_BIN_EXE_node`.
    pub async fn start(program: &str, engine: &str, lease: Duration) -> Self {
        Self::start_with(program, &[engine, &lease.as_millis().to_string()]).await
    }

    pub async fn start_with(program: &str, arguments: &[&str]) -> Self {
        let mut process = Process::start_talking(Command::new(program).args(arguments));
        Self { app: process.app().await, process }
    }

    /// Waits until a handler holds its turns.
    pub async fn holds(&mut self) {
        assert_eq!(self.process.line().await, "holding");
    }

    /// Lets the handler that holds its turns end.
    pub async fn go_on(&mut self) {
        self.process.say("go on").await;
    }

    pub async fn all(&self, cookie: &str) -> Value {
        http::get(&self.app, "/all", Some(cookie)).await.json()
    }
}

/// Four sockets and four browsers on each node, which may be another process, count together. Gives what was acknowledged, and the answers that were
/// errors.
pub async fn count_together(apps: [&App; 2], cookie: &str, each: usize) -> (BTreeSet<u64>, Vec<Value>) {
    let mut tasks = JoinSet::new();
    for app in apps {
        for _ in 0..4 {
            let mut socket = RawSocket::connect(app, Some(cookie)).await;
            tasks.spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..each {
                    answers.push(socket.ask("add", &[]).await);
                }
                answers
            });
            let (url, cookie) = (app.url("/add"), cookie.to_owned());
            tasks.spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let mut answers = Vec::new();
                for _ in 0..each {
                    let answer = client.get(&url).header("cookie", &cookie).send().await.unwrap();
                    let status = answer.status().as_u16();
                    let body = answer.text().await.unwrap();
                    answers.push(
                        serde_json::from_str(&body).unwrap_or(json!({"status": status, "error": body})),
                    );
                }
                answers
            });
        }
    }
    let (mut acknowledged, mut open) = (BTreeSet::new(), Vec::new());
    while let Some(answers) = tasks.join_next().await {
        for answer in answers.unwrap() {
            if let Some(n) = answer.as_u64() {
                assert!(acknowledged.insert(n), "{n} was given twice");
            } else {
                open.push(answer);
            }
        }
    }
    (acknowledged, open)
}
