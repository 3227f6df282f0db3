//! Three processes, one Redis that writes down all it acknowledges, a mixed load, and one blow after the other: processes
//! and Redis killed, stopped and let go on, connections cut, scripts forgotten, Redis asleep; and all the time answers that
//! are lost after Redis did what it was asked. Nothing that was acknowledged
//! is lost, doubled or out of order; nothing that was refused took place; what ended stays ended.
//!
//! `tests/soak --test redis chaos -- --nocapture` has 100,000 calls.
//!
//! Clauses: 1, 3, 5, 6, 7, 10, 11, 14.

use std::time::Duration;

use socketioxide_session_tests::{
    records::milliseconds,
    redis_server::RedisServer,
    several::{
        Node,
        chaos::{self, LEASE, Suffers},
    },
    soak::short_or_long,
};
use tokio::time::sleep;

use crate::{processes::node_at, proxy::Proxy};

struct Redis {
    server: RedisServer,
    proxies: Vec<Proxy>,
}

impl Redis {
    /// It may be too busy to answer in time, or asleep as it was told.
    async fn told(&self, words: &[&str]) {
        self.server.try_command::<redis::Value>(words).await.ok();
        sleep(milliseconds(500)).await;
    }
}

impl Suffers for Redis {
    const BLOWS: u64 = 6;

    fn loses_an_answer(&self, node: usize) {
        self.proxies[node].swallow_answers(1);
    }

    async fn node(&self, number: usize) -> Node {
        node_at(&self.proxies[number].url, LEASE).await
    }

    async fn suffer(&mut self, blow: u64, pause: Duration) -> &'static str {
        match blow {
            0 => {
                self.server.kill();
                sleep(pause / 4).await;
                self.server.run().await;
                "Redis killed"
            }
            1 => {
                self.server.signal("STOP");
                sleep(pause / 2).await;
                self.server.signal("CONT");
                "Redis stopped"
            }
            2 => {
                self.told(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
                "connections cut"
            }
            3 => {
                self.told(&["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]).await;
                "ears cut"
            }
            4 => {
                self.told(&["SCRIPT", "FLUSH"]).await;
                "scripts forgotten"
            }
            _ => {
                let seconds = format!("{:.2}", pause.as_secs_f64() / 3.0);
                self.told(&["DEBUG", "SLEEP", &seconds]).await;
                "Redis asleep"
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_and_in_order() {
    let arguments =
        ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--enable-debug-command", "yes"];
    let server = RedisServer::start_with(&arguments).await;
    let mut proxies = Vec::new();
    for _ in 0..3 {
        proxies.push(Proxy::before(server.port).await);
    }
    chaos::run(Redis { server, proxies }, short_or_long(2_500, 100_000)).await;
}
