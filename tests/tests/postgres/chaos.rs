//! Three processes, one PostgreSQL that writes down all it acknowledges, a mixed load, and one blow after the other: processes
//! and PostgreSQL killed, stopped and let go on, one of its connections killed so that it begins anew, connections ended by
//! `pg_terminate_backend`; and all the time answers that are lost after PostgreSQL did what it was asked. Nothing that was
//! acknowledged is lost, doubled or out of order; nothing that was refused took place; what ended stays ended.
//!
//! `tests/soak --test postgres chaos -- --nocapture` has 100,000 calls.
//!
//! Clauses: 1, 3, 5, 6, 7, 10, 11, 14.

use std::time::Duration;

use socketioxide_session_tests::{
    postgres_server::{PostgresServer, url},
    records::milliseconds,
    several::{
        Node,
        chaos::{self, LEASE, Suffers},
    },
    soak::short_or_long,
};
use tokio::time::sleep;
use tower_sessions_sqlx_store::sqlx::{self, Connection as _, PgConnection};

use crate::{processes::node_at, proxy::Proxy};

struct Postgres {
    server: PostgresServer,
    proxies: Vec<Proxy>,
}

impl Postgres {
    /// Ends connections. It may be too busy to do so, or refuse everybody who comes.
    async fn cut(&self, which: &str) {
        let cut = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND usename = 'test' AND {which}"
        );
        if let Ok(mut connection) = PgConnection::connect_with(&self.server.options()).await {
            sqlx::query(&cut).execute(&mut connection).await.ok();
        }
        sleep(milliseconds(500)).await;
    }
}

impl Suffers for Postgres {
    const BLOWS: u64 = 5;

    fn loses_an_answer(&self, node: usize) {
        self.proxies[node].swallow_an_answer();
    }

    async fn node(&self, number: usize) -> Node {
        node_at(&url(&self.proxies[number].directory, "postgres"), LEASE).await
    }

    async fn suffer(&mut self, blow: u64, pause: Duration) -> &'static str {
        match blow {
            0 => {
                self.server.kill();
                sleep(pause / 4).await;
                self.server.run().await;
                "PostgreSQL killed"
            }
            1 => {
                self.server.signal("STOP");
                sleep(pause / 2).await;
                self.server.signal("CONT");
                "PostgreSQL stopped"
            }
            2 => {
                self.server.kill_a_connection().await;
                sleep(milliseconds(500)).await;
                self.server.is_back().await;
                "a connection killed"
            }
            3 => {
                self.cut("query NOT LIKE '%beat%'").await;
                "connections cut"
            }
            _ => {
                self.cut("query LIKE '%beat%'").await;
                "ears cut"
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_and_in_order() {
    let server = PostgresServer::start().await;
    let proxies = (0..3).map(|_| Proxy::before(&server.directory)).collect();
    chaos::run(Postgres { server, proxies }, short_or_long(800, 100_000)).await;
}
