//! What servers run on: processors, one redis-server, the Node packages.

use std::io;

use crate::{
    node::Node,
    process::{Pinned, Process},
    redis::Redis,
    work::{Needs, Server},
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) pinned: Pinned,
    redis: Option<Redis>,
    node: Option<Node>,
}

impl World {
    /// With what these servers need, as far as it is there; a line says what is not.
    pub(crate) fn of(servers: &[Server]) -> io::Result<Self> {
        let needed = |needs| servers.iter().any(|server| server.needs() == needs);
        let pinned = Pinned::clients();
        let mut world = Self { pinned, redis: None, node: None };
        if needed(Needs::Redis) {
            world.redis = Redis::start(pinned)?;
            if world.redis.is_none() {
                eprintln!("left out: Redis, for there is no `redis-server`");
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
            Needs::Node => self.node.is_some(),
        }
    }

    pub(crate) fn start(&self, server: Server) -> io::Result<Process> {
        match &self.node {
            Some(node) if server.needs() == Needs::Node => node.serve(server.counts(), self.pinned),
            _ => {
                let redis = self.redis.as_ref().map_or("", |redis| &redis.url);
                Process::serve(&[server.name(), redis], self.pinned)
            }
        }
    }

    /// The processor time of what that server keeps its sessions in, in nanoseconds.
    pub(crate) fn cpu_behind(&self, server: Server) -> io::Result<u64> {
        match &self.redis {
            Some(redis) if server.needs() == Needs::Redis => redis.cpu(),
            _ => Ok(0),
        }
    }
}
