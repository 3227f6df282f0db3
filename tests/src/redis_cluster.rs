//! A Redis Cluster of a test's own: three primaries with a replica each, on free ports of the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::redis_server::RedisServer;

const PRIMARIES: usize = 3;
const SLOTS: usize = 16384;

const ARGUMENTS: [[&str; 2]; 6] = [
    ["--cluster-enabled", "yes"],
    ["--cluster-node-timeout", "1000"],
    ["--cluster-replica-validity-factor", "0"],
    ["--repl-diskless-sync-delay", "0"],
    ["--appendonly", "no"],
    ["--save", ""],
];

#[derive(Debug)]
pub struct RedisCluster {
    /// First those that begin as primaries, then the replica of each.
    pub nodes: Vec<RedisServer>,
    /// Which of them is the primary of each third of the slots.
    primaries: [usize; PRIMARIES],
    /// The options that were set on all of them, also on those that come back.
    options: Vec<[String; 2]>,
}

impl RedisCluster {
    /// A primary that is dead for a second is replaced by its replica.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..2 * PRIMARIES {
            nodes.push(RedisServer::start_with(&ARGUMENTS.concat()).await);
        }
        let cluster = Self { nodes, primaries: [0, 1, 2], options: Vec::new() };
        cluster.meet().await;
        for (at, node) in cluster.nodes.iter().enumerate().skip(PRIMARIES) {
            let primary = cluster.name(at - PRIMARIES).await;
            until("a replica knows its primary", async || {
                node.try_command::<()>(&["CLUSTER", "REPLICATE", &primary]).await.is_ok()
            })
            .await;
        }
        cluster.until_whole().await;
        cluster
    }

    async fn meet(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            let () = node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await;
            if at < PRIMARIES {
                let first = (SLOTS * at / PRIMARIES).to_string();
                let last = (SLOTS * (at + 1) / PRIMARIES - 1).to_string();
                let () = node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            }
            let port = node.port.to_string();
            let () = self.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
        }
    }

    /// All slots are served, and all primaries have their replicas.
    async fn until_whole(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            until("the cluster is whole", async || {
                let about: String = node.command(&["CLUSTER", "INFO"]).await;
                let replication: String = node.command(&["INFO", "replication"]).await;
                let linked = if at < PRIMARIES { "connected_slaves:1" } else { "master_link_status:up" };
                about.contains("cluster_state:ok")
                    && about.contains("cluster_known_nodes:6")
                    && replication.contains(linked)
            })
            .await;
        }
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    async fn name(&self, node: usize) -> String {
        self.nodes[node].command(&["CLUSTER", "MYID"]).await
    }

    /// The primary that has this key, as the cluster began.
    pub async fn primary_of(&self, key: &str) -> usize {
        let slot: usize = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).await;
        (0..PRIMARIES).find(|at| slot < SLOTS * (at + 1) / PRIMARIES).unwrap()
    }

    /// The keys that lie in a third of the slots.
    pub async fn keys(&self, third: usize, pattern: &str) -> Vec<String> {
        self.nodes[self.primaries[third]].keys(pattern).await
    }

    /// Sets an option on all nodes.
    pub async fn configure(&mut self, name: &str, value: &str) {
        for node in &self.nodes {
            let () = node.command(&["CONFIG", "SET", name, value]).await;
        }
        self.options.push([name.to_owned(), value.to_owned()]);
    }

    fn replica(&self, third: usize) -> usize {
        (self.primaries[third] + PRIMARIES) % (2 * PRIMARIES)
    }

    /// Kills a primary, and waits until its replica is the primary. Gives the moment from which the killed one
    /// acknowledged nothing.
    pub async fn kill_primary(&mut self, third: usize) -> Instant {
        let replica = self.replica(third);
        self.nodes[self.primaries[third]].kill();
        let killed = Instant::now();
        self.until_primary(replica).await;
        self.primaries[third] = replica;
        killed
    }

    /// The same after its replica has not heard it for this long, while it went on to acknowledge. Gives as well, first, the
    /// moment from which it knew that it has no replica.
    pub async fn kill_primary_ahead(&mut self, third: usize, ahead: Duration) -> [Instant; 2] {
        let (primary, replica) = (&self.nodes[self.primaries[third]], self.replica(third));
        self.nodes[replica].signal("STOP");
        let _: u64 = primary.command(&["CLIENT", "KILL", "TYPE", "replica"]).await;
        let cut = Instant::now();
        sleep(ahead).await;
        self.nodes[self.primaries[third]].kill();
        let killed = Instant::now();
        self.nodes[replica].signal("CONT");
        self.until_primary(replica).await;
        self.primaries[third] = replica;
        [cut, killed]
    }

    /// What was killed is back, as the replica of whoever took its place.
    pub async fn revive_replica(&mut self, third: usize) {
        let replica = self.replica(third);
        self.nodes[replica].run().await;
        for [name, value] in &self.options {
            let () = self.nodes[replica].command(&["CONFIG", "SET", name, value]).await;
        }
        let is_linked = async || {
            let about: String = self.nodes[replica].command(&["INFO", "replication"]).await;
            about.contains("role:slave") && about.contains("master_link_status:up")
        };
        until("the killed one is a replica", is_linked).await;
    }

    /// As before maintenance: the primary waits until its replica has everything, and steps back.
    pub async fn hand_over(&mut self, third: usize) -> Instant {
        let replica = self.replica(third);
        let is_primary = async || {
            let about: String = self.nodes[replica].command(&["INFO", "replication"]).await;
            if about.contains("role:slave") {
                // It is given up where the others do not know the replica yet.
                self.nodes[replica].try_command::<()>(&["CLUSTER", "FAILOVER"]).await.ok();
                sleep(Duration::from_secs(1)).await;
            }
            about.contains("role:master")
        };
        until("a replica is the primary", is_primary).await;
        self.primaries[third] = replica;
        Instant::now()
    }

    async fn until_primary(&self, node: usize) {
        let is_primary = async || {
            let about: String = self.nodes[node].command(&["INFO", "replication"]).await;
            about.contains("role:master")
        };
        until("a replica is the primary", is_primary).await;
    }

    /// Moves the slot of a key with all that is in it. In between it lies in two nodes for this long.
    pub async fn migrate(&self, key: &str, from: usize, to: usize, between: Duration) {
        let slot: u64 = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).await;
        let (slot, names) = (slot.to_string(), [self.name(from).await, self.name(to).await]);
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let () = target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &names[0]]).await;
        let () = source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &names[1]]).await;
        sleep(between / 2).await;
        loop {
            let keys: Vec<String> = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]).await;
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let port = target.port.to_string();
                let () = source.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]).await;
            }
        }
        sleep(between / 2).await;
        for node in [target, source] {
            let () = node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &names[1]]).await;
        }
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
