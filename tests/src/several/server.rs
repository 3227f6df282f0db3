//! The engines on which nodes of this process are tried.

use socketioxide_session::{PostgresBackend, RedisBackend, SessionLayer};
use tower_sessions_sqlx_store::sqlx;

use crate::{app::sessions, postgres_server::Database, redis_server::RedisServer, soon};

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
        match self {
            Self::Redis(server) => sessions(RedisBackend::connect(server.url()).await.unwrap()),
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                let mut builder = PostgresBackend::builder(database.pool().await);
                if matches!(self, Self::PolledPostgres(_)) {
                    builder = builder.with_polling(std::time::Duration::from_millis(20));
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

    /// Who listens for the commits to any session.
    async fn listeners(&self) -> usize {
        match self {
            Self::Redis(server) => {
                let channels: Vec<String> = server.command(&["PUBSUB", "CHANNELS", "*live:*"]).await;
                channels.len()
            }
            Self::Postgres(database) | Self::PolledPostgres(database) => {
                let count = "SELECT count(DISTINCT hidden) FROM socketioxide_session.followers";
                let count: i64 = sqlx::query_scalar(count).fetch_one(&database.pool().await).await.unwrap();
                usize::try_from(count).unwrap()
            }
        }
    }

    /// Waits until there are so many sessions for whose commits somebody listens.
    pub async fn sessions_are_listened_to(&self, count: usize) {
        soon("listeners", async {
            while self.listeners().await != count {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }
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
