//! The run: all servers alive, each piece of work on each of them in every cycle, in random order.

use std::{
    io,
    time::{Duration, Instant, SystemTime},
};

use tokio::time::sleep;

use crate::{
    client::Clients,
    process::Process,
    state::Size,
    statistics::quantile,
    table,
    work::{Server, Work},
};

const CLIENTS: usize = 32;

/// A server is quiet, and what it did is accounted for, this long after its last answer.
const SETTLED: Duration = Duration::from_millis(2);

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub cycles: usize,
    /// Of each piece of work on each server, in each cycle.
    pub operations: usize,
    /// Only work whose name begins with this.
    pub only: String,
}

/// What one piece of work came to on one server in one cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Microseconds of processor time of the server, an operation.
    pub cpu: f64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    pub errors: usize,
    pub lost: u64,
}

/// One row: a piece of work on a state of a size, on all servers ([`Server::ALL`]) in each cycle.
#[derive(Debug)]
pub(crate) struct Row {
    pub work: Work,
    pub size: Size,
    pub cycles: Vec<[Measured; Server::ALL.len()]>,
}

/// A server's process, and the clients of each size.
struct Contestant {
    server: Server,
    process: Process,
    clients: Vec<Clients>,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> io::Result<()> {
    let mut contestants = Vec::new();
    for server in Server::ALL {
        let process = Process::start(server, pinned)?;
        let mut clients = Vec::new();
        for size in Size::ALL {
            clients.push(Clients::connect(process.port, size, CLIENTS).await?);
        }
        contestants.push(Contestant { server, process, clients });
    }
    let chosen = |work: &Work| work.name().starts_with(&options.only);
    let mut rows: Vec<Row> = Work::ALL
        .into_iter()
        .filter(chosen)
        .flat_map(|work| Size::ALL.map(|size| Row { work, size, cycles: Vec::new() }))
        .collect();

    let mut random = Random::seeded();
    let began = Instant::now();
    // The first one warms everything up and does not count.
    for cycle in 0..=options.cycles {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        random.shuffle(&mut order);
        for at in order {
            let row = &mut rows[at];
            let measured = measure(row, &mut contestants, options.operations, &mut random).await?;
            if cycle > 0 {
                row.cycles.push(measured);
            }
        }
        eprintln!("cycle {cycle} of {}, {} s", options.cycles, began.elapsed().as_secs());
    }
    print!("{}", table::side_by_side(&rows));
    Ok(())
}

/// One cycle of one row.
async fn measure(
    row: &Row,
    contestants: &mut [Contestant],
    operations: usize,
    random: &mut Random,
) -> io::Result<[Measured; Server::ALL.len()]> {
    let mut measured = [None; Server::ALL.len()];
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    random.shuffle(&mut order);
    for at in order {
        measured[at] = Some(contestants[at].measure(row.work, row.size, operations).await?);
    }
    Ok(measured.map(|measured| measured.expect("each server had its turn")))
}

impl Contestant {
    async fn measure(&mut self, work: Work, size: Size, operations: usize) -> io::Result<Measured> {
        let clients = &mut self.clients[size as usize];
        let counts = self.server.counts() && work.writes();
        let count_before = if counts { clients.count().await? } else { 0 };
        sleep(SETTLED).await;
        let cpu_before = self.process.cpu()?;
        let mut tally = clients.run(work, operations).await?;
        sleep(SETTLED).await;
        let cpu = self.process.cpu()? - cpu_before;
        let done = tally.latencies.len();
        if counts {
            let written = clients.count().await? - count_before;
            tally.lost = ((done - tally.errors) as u64).saturating_sub(written);
        }
        let mut latencies: Vec<_> = tally.latencies.iter().map(|nanos| micros(*nanos)).collect();
        latencies.sort_by(f64::total_cmp);
        Ok(Measured {
            cpu: micros(cpu) / done as f64,
            p50: quantile(&latencies, 50, 100),
            p99: quantile(&latencies, 99, 100),
            errors: tally.errors,
            lost: tally.lost,
        })
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// Good enough for an order, which is all that is random here.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(now.as_secs() | 1)
    }

    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        items.sort_by_cached_key(|_| self.next());
    }
}
