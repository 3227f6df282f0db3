//! Where connections come from: one server, or a cluster.

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
};
#[cfg(feature = "redis-cluster")]
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};

/// Where connections come from.
#[derive(Clone)]
pub(super) enum Source {
    One(Box<Client>),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<Cluster>),
}

#[cfg(feature = "redis-cluster")]
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: ClusterClient,
    /// Messages reach all nodes: any of them is listened to.
    pub(super) nodes: Vec<Client>,
}

/// One that all calls share.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    #[cfg(feature = "redis-cluster")]
    Cluster(ClusterConnection),
}

impl Source {
    pub(super) fn is_cluster(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        match self {
            Self::One(client) => {
                // The link limits every call: a limit here, too, would make two errors of one.
                let config =
                    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.client.get_async_connection().await.map(Connection::Cluster),
        }
    }

    /// A connection to listen on. `number`: how often one was asked for.
    #[cfg_attr(
        not(feature = "redis-cluster"),
        allow(unused_variables, reason = "it chooses a node of a cluster")
    )]
    pub(super) async fn listen(&self, number: usize) -> RedisResult<PubSub> {
        match self {
            Self::One(client) => client.get_async_pubsub().await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.nodes[number % cluster.nodes.len()].get_async_pubsub().await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
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
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
