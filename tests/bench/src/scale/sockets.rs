//! Connected sockets, each of a session of its own, of which ten are busy at a time.

use std::{io, rc::Rc};

use super::{
    Options, Outcome,
    growth::{Job, Look, Point, Subject, in_figures, outcome},
};
use crate::{
    process::{Pinned, Process},
    state::Size,
    work::Server,
};

pub(super) const LARGEST: usize = 10_000;
const FEWEST: usize = 10;

const JOBS: [Job; 2] = [
    Job { title: "reads", event: "read", lanes: FEWEST, operations: |_| 5000, counts: false },
    Job { title: "writes", event: "write", lanes: FEWEST, operations: |_| 5000, counts: false },
];

/// One server after the other, for this process can have as many open files as one server.
pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let mut points = Vec::new();
    for server in [Server::None, Server::ByHand, Server::Memory] {
        eprintln!("  {}", server.name());
        let process = Rc::new(Process::serve(&[server.name(), ""], pinned)?);
        let mut subject = Subject::at(server, 0, &process).await?;
        for number in options.decades(FEWEST, LARGEST) {
            let cookies = subject.flock.begin(Size::Small, number - subject.flock.len()).await?;
            subject.flock.connect(&cookies).await?;
            subject.size = number;
            for job in JOBS {
                subject.measure(job).await?;
                let mut cycles = Vec::new();
                for _ in 0..options.cycles {
                    cycles.push(subject.measure(job).await?);
                }
                points.push(Point { server, job, size: number, cycles });
            }
        }
    }
    let look = Look {
        title: "Cost of an event by the number of connected sockets",
        x: "connected sockets",
        name: in_figures,
        logarithmic: false,
    };
    Ok(outcome(&look, &points))
}
