//! The run: all servers alive, each piece of work on each of them in every cycle, in random order.

use std::{io, time::Instant};

use crate::{
    client::{self, Clients},
    measure::{Measured, measure, micros},
    process::Process,
    random::Random,
    state::Size,
    table,
    work::{Needs, Server, Work},
    world::World,
};

const CLIENTS: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub cycles: usize,
    /// Of each piece of work on each server, in each cycle.
    pub operations: usize,
    /// Only work whose name begins with this.
    pub only: String,
    /// Only servers whose name begins with one of these, and those that they are compared with.
    pub servers: Vec<String>,
}

/// One row: a piece of work on a state of a size, on all servers in each cycle.
#[derive(Debug)]
pub(crate) struct Row {
    pub work: Work,
    /// Of [`Size::ALL`].
    pub size: usize,
    pub cycles: Vec<Vec<Measured>>,
}

/// A server's process, and the clients of each size.
struct Contestant {
    server: Server,
    process: Process,
    clients: Vec<Clients>,
}

pub(crate) async fn run(options: &Options) -> io::Result<()> {
    let servers = options.servers();
    let world = World::of(&servers)?;
    let servers: Vec<_> = servers.into_iter().filter(|server| world.has(*server)).collect();
    let mut contestants = Vec::new();
    for server in &servers {
        let process = world.start(*server)?;
        let mut clients = Vec::new();
        for size in Size::ALL {
            clients.push(Clients::connect(process.port()?, size, CLIENTS).await?);
        }
        contestants.push(Contestant { server: *server, process, clients });
    }
    client::stay_awake(world.pinned);
    let mut rows = options.rows();
    let mut random = Random::seeded();
    let began = Instant::now();
    // The first one warms everything up and does not count.
    for cycle in 0..=options.cycles {
        for at in random.order(rows.len()) {
            let row = &mut rows[at];
            let mut measured = vec![None; contestants.len()];
            for at in random.order(contestants.len()) {
                let contestant = &mut contestants[at];
                let operations = contestant.operations(options);
                measured[at] = Some(contestant.measure(&world, row, operations).await?);
            }
            if cycle > 0 {
                row.cycles.push(measured.into_iter().flatten().collect());
            }
        }
        eprintln!("cycle {cycle} of {}, {} s", options.cycles, began.elapsed().as_secs());
    }
    print!("{}", table::side_by_side(&servers, &rows));
    Ok(())
}

impl Options {
    fn servers(&self) -> Vec<Server> {
        let chosen = |server: Server| {
            self.servers.is_empty() || self.servers.iter().any(|start| server.name().starts_with(&**start))
        };
        let chosen: Vec<_> = Server::ALL.into_iter().filter(|server| chosen(*server)).collect();
        let wanted = |server: &Server| {
            chosen.contains(server)
                || matches!(server, Server::None | Server::Control)
                || chosen.iter().any(|chosen| chosen.floor() == *server)
        };
        Server::ALL.into_iter().filter(wanted).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let works = Work::ALL.into_iter().filter(|work| work.name().starts_with(&self.only));
        let row = |work| (0..Size::ALL.len()).map(move |size| Row { work, size, cycles: Vec::new() });
        works.flat_map(row).collect()
    }
}

impl Contestant {
    /// Slow ones do less: their times are long enough to be told apart.
    fn operations(&self, options: &Options) -> usize {
        match self.server.needs() {
            Needs::Nothing => options.operations,
            Needs::Redis | Needs::Node => options.operations / 2,
            Needs::Postgres => options.operations / 4,
        }
    }

    async fn measure(&mut self, world: &World, row: &Row, operations: usize) -> io::Result<Measured> {
        let clients = &mut self.clients[row.size];
        let counts = self.server.counts() && row.work.writes();
        let before = if counts { clients.count().await? } else { 0 };
        let behind = world.cpu_behind(self.server)?;
        let work = async || clients.run(row.work, operations).await;
        let mut measured = measure(&self.process, work).await?;
        let behind = world.cpu_behind(self.server)?.saturating_sub(behind);
        measured.behind = micros(behind) / measured.done as f64;
        if counts {
            measured = measured.counted(before, clients.count().await?);
        }
        Ok(measured)
    }
}
