//! The engines on which nodes of this process are tried.

use std::time::Duration;

use serde_json::Value;
use socketioxide_session::{PostgresBackend, RedisBackend, SessionLayer};
use tokio::time::sleep;
use tower_sessions_sqlx_store::sqlx;

use crate::{
    app::sessions,
    postgres_server::Database,
    records::{SECOND, milliseconds},
    redis_server::RedisServer,
    soon,
};

/// One engine for several nodes.
#[derive(Debug)]
pub enum Server {
    Redis(RedisServer),
    /// Where the nodes listen.
    Postgres(Database),
    /// Where they look instead, every 20 milliseconds.
    PolledPostgres(Database),
}

impl Server {
    pub async fn redis() -> Self {
        Self::Redis(RedisServer::start().await)
    }

    pub async fn postgres() -> Self {
        Self::Postgres(Database::create().await)
    }

    pub async fn polled_postgres() -> Self {
        Self::PolledPostgres(Database::create().await)
    }

    /// The layer of one more node.
    pub async fn node(&self) -> SessionLayer {
        self.node_with_lease(SECOND * 10).await
    }

    /// One whose turns outlive it so long.
    pub async fn node_with_lease(&self, lease: Duration) -> SessionLayer {
        match self {
            Self::Redis(server) => {
                let builder = RedisBackend::builder(server.url()).with_lease(lease).with_timeout(SECOND * 20);
                sessions(builder.connect().await.unwrap())
            }
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                let builder = PostgresBackend::builder(database.pool().await).with_lease(lease);
                let mut builder = builder.with_timeout(SECOND * 20);
                if matches!(self, Self::PolledPostgres(_)) {
                    builder = builder.with_polling(milliseconds(20));
                }
                let backend = builder.build().unwrap();
                backend.migrate().await.unwrap();
                sessions(backend)
            }
        }
    }

    /// The same; on Redis it has a read cache.
    pub async fn node_with_cache(&self) -> SessionLayer {
        let Self::Redis(server) = self else { return self.node().await };
        let backend = RedisBackend::builder(server.url()).with_read_cache(100).connect().await;
        sessions(backend.unwrap())
    }

    /// Cuts the connections on which nodes hear of each other.
    pub async fn cut_ears(&self) {
        match self {
            Self::Redis(server) => {
                let _: u64 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            }
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = current_database() AND query LIKE '%beat%' AND pid <> pg_backend_pid()";
                sqlx::query(cut).execute(&database.pool().await).await.unwrap();
            }
        }
    }

    /// Waits until somebody stands in its line for a turn; there is one session.
    pub async fn somebody_waits(&self) {
        soon("somebody who waits for a turn", async {
            while !self.has_waiters().await {
                sleep(milliseconds(5)).await;
            }
        })
        .await;
    }

    async fn has_waiters(&self) -> bool {
        match self {
            Self::Redis(server) => {
                for line in server.keys("session:*:turns").await {
                    // One lease for which nobody waits stands as a text.
                    let kind: String = server.command(&["TYPE", &line]).await;
                    if kind == "hash" {
                        let fields: Vec<String> = server.command(&["HKEYS", &line]).await;
                        if fields.iter().any(|field| field.starts_with("w:")) {
                            return true;
                        }
                    }
                }
                false
            }
            Self::Postgres(database) | Self::PolledPostgres(database) => count(database, "waiters").await > 0,
        }
    }

    /// Waits until no call has a lease any more.
    pub async fn nobody_has_a_lease(&self) {
        soon("the end of all leases", async {
            while self.has_leases().await {
                sleep(milliseconds(5)).await;
            }
        })
        .await;
    }

    async fn has_leases(&self) -> bool {
        match self {
            Self::Redis(server) => !server.keys("session:*:turns").await.is_empty(),
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                count(database, "turns WHERE ticket IS NOT NULL").await > 0
            }
        }
    }

    /// What it has of a state of the one session.
    pub async fn stored(&self, key: &str) -> Value {
        let json = match self {
            Self::Redis(server) => {
                let record =
                    server.keys("session:*").await.into_iter().find(|key| key.ends_with('}')).unwrap();
                server.command::<String>(&["HGET", &record, &format!("v:{key}")]).await.into_bytes()
            }
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                let value = "SELECT value FROM socketioxide_session.values WHERE key = $1";
                let value = sqlx::query_scalar(value).bind(key.as_bytes().to_vec());
                value.fetch_one(&database.pool().await).await.unwrap()
            }
        };
        serde_json::from_slice(&json).unwrap()
    }

    /// Who listens for the commits to any session.
    async fn listeners(&self) -> usize {
        match self {
            Self::Redis(server) => {
                let channels: Vec<String> = server.command(&["PUBSUB", "CHANNELS", "*live:*"]).await;
                channels.len()
            }
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                count(database, "followers f WHERE f.ctid = (SELECT min(g.ctid) FROM socketioxide_session.followers g WHERE g.hidden = f.hidden)").await
            }
        }
    }

    /// Waits until there are so many sessions for whose commits somebody listens.
    pub async fn sessions_are_listened_to(&self, count: usize) {
        soon("listeners", async {
            while self.listeners().await != count {
                sleep(milliseconds(5)).await;
            }
        })
        .await;
    }
}

async fn count(database: &Database, of: &str) -> usize {
    let count = format!("SELECT count(*) FROM socketioxide_session.{of}");
    let count: i64 = sqlx::query_scalar(&count).fetch_one(&database.pool().await).await.unwrap();
    usize::try_from(count).unwrap()
}

/// Each of these functions is a test on every engine: it is given a [`Server`].
#[macro_export]
macro_rules! on_every_engine {
    ($($name:ident)*) => {
        $crate::on_engine! { redis: $($name)* }
        $crate::on_engine! { postgres: $($name)* }
        $crate::on_engine! { polled_postgres: $($name)* }
    };
}

#[macro_export]
macro_rules! on_engine {
    ($engine:ident: $($name:ident)*) => {
        mod $engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::several::Server::$engine().await).await;
            })*
        }
    };
}
