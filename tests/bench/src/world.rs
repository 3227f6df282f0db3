//! What servers run on: processors, one redis-server, one PostgreSQL, the Node packages.

use std::io;

use crate::{
    node::Node,
    postgres::Postgres,
    process::{Pinned, Process},
    redis::Redis,
    work::{Needs, Server},
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) pinned: Pinned,
    redis: Option<Redis>,
    postgres: Option<Postgres>,
    node: Option<Node>,
}

impl World {
    /// With what these servers need, as far as it is there; a line says what is not.
    pub(crate) fn of(servers: &[Server]) -> io::Result<Self> {
        let needed = |needs| servers.iter().any(|server| server.needs() == needs);
        let pinned = Pinned::clients();
        let mut world = Self { pinned, redis: None, postgres: None, node: None };
        if needed(Needs::Redis) {
            world.redis = Redis::start(pinned)?;
            if world.redis.is_none() {
                eprintln!("left out: Redis, for there is no `redis-server`");
            }
        }
        if needed(Needs::Postgres) {
            world.postgres = Postgres::start(pinned)?;
            if world.postgres.is_none() {
                eprintln!("left out: PostgreSQL, for there is no `initdb`");
            }
        }
        if needed(Needs::Node) {
            world.node = Node::install()?;
            if world.node.is_none() {
                eprintln!("left out: Node, for there is no `npm`");
            }
        }
        Ok(world)
    }

    pub(crate) fn has(&self, server: Server) -> bool {
        match server.needs() {
            Needs::Nothing => true,
            Needs::Redis => self.redis.is_some(),
            Needs::Postgres => self.postgres.is_some(),
            Needs::Node => self.node.is_some(),
        }
    }

    pub(crate) fn start(&self, server: Server) -> io::Result<Process> {
        match &self.node {
            Some(node) if server.needs() == Needs::Node => node.serve(server.counts(), self.pinned),
            _ => {
                let behind = match (server.needs(), &self.redis, &self.postgres) {
                    (Needs::Redis, Some(redis), _) => &redis.url,
                    (Needs::Postgres, _, Some(postgres)) => &postgres.url,
                    _ => "",
                };
                Process::serve(&[server.name(), behind], self.pinned)
            }
        }
    }

    /// The processor time of what that server keeps its sessions in, in nanoseconds.
    pub(crate) fn cpu_behind(&self, server: Server) -> io::Result<u64> {
        match (server.needs(), &self.redis, &self.postgres) {
            (Needs::Redis, Some(redis), _) => redis.cpu(),
            (Needs::Postgres, _, Some(postgres)) => postgres.cpu(),
            _ => Ok(0),
        }
    }
}
