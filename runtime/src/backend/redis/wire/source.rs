//! Where connections come from: one server, or a cluster.

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, RedisFuture, RedisResult, Value,
    aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection, PubSub},
};
#[cfg(feature = "redis-cluster")]
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};

/// Where connections come from.
#[derive(Clone)]
pub(crate) enum Source {
    One(Box<Client>),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<Cluster>),
}

#[cfg(feature = "redis-cluster")]
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: ClusterClient,
    /// Messages reach all nodes: any of them is listened to.
    pub(crate) nodes: Vec<Client>,
}

/// One that all calls share.
#[derive(Clone)]
pub(crate) enum Connection {
    One {
        connection: MultiplexedConnection,
        /// Its number, if Redis tells on it of changes to what was read on it.
        tracked: Option<u64>,
    },
    #[cfg(feature = "redis-cluster")]
    Cluster(ClusterConnection),
}

impl Source {
    pub(crate) fn open(url: &str) -> RedisResult<Self> {
        let client = Client::open(url)?;
        expect_cryptography(&client)?;
        Ok(Self::One(Box::new(client)))
    }

    #[cfg(feature = "redis-cluster")]
    pub(crate) fn open_cluster(urls: &[String]) -> RedisResult<Self> {
        let urls = || urls.iter().map(String::as_str);
        let nodes: Vec<_> = urls().map(Client::open).collect::<Result<_, _>>()?;
        nodes.iter().try_for_each(expect_cryptography)?;
        Ok(Self::Cluster(Box::new(Cluster { client: ClusterClient::new(urls())?, nodes })))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    pub(crate) async fn connect(&self) -> RedisResult<Connection> {
        match self {
            Self::One(client) => {
                expect_cryptography(client)?;
                let connection = client.get_multiplexed_async_connection_with_config(&unlimited()).await?;
                Ok(Connection::One { connection, tracked: None })
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => {
                cluster.nodes.iter().try_for_each(expect_cryptography)?;
                cluster.client.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }

    /// A connection to listen on. `number`: how often one was asked for.
    #[cfg_attr(
        not(feature = "redis-cluster"),
        allow(unused_variables, reason = "it chooses a node of a cluster")
    )]
    pub(crate) async fn listen(&self, number: usize) -> RedisResult<PubSub> {
        let client = match self {
            Self::One(client) => client,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => &cluster.nodes[number % cluster.nodes.len()],
        };
        expect_cryptography(client)?;
        client.get_async_pubsub().await
    }
}

/// The link limits every call: a limit here, too, would make two errors of one.
fn unlimited() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

/// A connection in RESP3: it is heard what the server says unasked.
pub(crate) async fn connect_and_hear(
    client: &Client,
    hear: impl AsyncPushSender,
) -> RedisResult<MultiplexedConnection> {
    let address = client.get_connection_info().clone();
    let settings = address.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(address.set_redis_settings(settings))?;
    expect_cryptography(&client)?;
    client.get_multiplexed_async_connection_with_config(&unlimited().set_push_sender(hear)).await
}

impl Connection {
    pub(crate) fn tracked(&self) -> Option<u64> {
        match self {
            Self::One { tracked, .. } => *tracked,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => None,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One { connection, .. } => connection.req_packed_command(cmd),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One { connection, .. } => connection.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One { connection, .. } => connection.get_db(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// rustls panics where it cannot tell which of its implementations to use, or chooses one for the whole process, which is
/// the application's to do.
#[cfg(feature = "redis-tls")]
fn expect_cryptography(client: &Client) -> RedisResult<()> {
    let speaks_tls = matches!(client.get_connection_info().addr(), redis::ConnectionAddr::TcpTls { .. });
    if speaks_tls && rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(redis::RedisError::from((
            redis::ErrorKind::InvalidClientConfig,
            "`rediss://` needs a cryptography for rustls, which the application chooses: write \
             `socketioxide_session::rustls::crypto::ring::default_provider().install_default()` at the beginning of `main`",
        )));
    }
    Ok(())
}

#[cfg(not(feature = "redis-tls"))]
#[allow(clippy::unnecessary_wraps, reason = "with TLS it can fail")]
const fn expect_cryptography(_: &Client) -> RedisResult<()> {
    Ok(())
}
