//! Sockets of one session: one busy at a time, and all at once in the queue of one state.

use std::{io, rc::Rc};

use super::{
    Options, Outcome,
    growth::{Job, Look, Subject, in_figures, outcome, paired},
};
use crate::{
    process::{Pinned, Process},
    state::Size,
    work::Server,
};

const LARGEST: usize = 1000;

const JOBS: [Job; 3] = [
    Job { title: "reads, one at a time", event: "read", lanes: 1, operations: |_| 1000, counts: false },
    Job { title: "writes, one at a time", event: "write", lanes: 1, operations: |_| 1000, counts: true },
    Job { title: "writes, all at once", event: "write", lanes: LARGEST, operations: |_| 4000, counts: true },
];

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let mut subjects = Vec::new();
    for server in [Server::None, Server::ByHand, Server::Memory] {
        for sockets in options.decades(1, LARGEST) {
            let process = Rc::new(Process::serve(&[server.name(), ""], pinned)?);
            let mut subject = Subject::at(server, sockets, &process).await?;
            let cookies = subject.flock.begin(Size::Small, 1).await?;
            subject.flock.connect(cookies.iter().cycle().take(sockets)).await?;
            subjects.push(subject);
        }
    }
    let points = paired(&mut subjects, &JOBS, options.cycles).await?;
    let look = Look {
        title: "Cost of an event by the number of sockets of one session",
        x: "sockets of the session",
        name: in_figures,
        logarithmic: false,
    };
    Ok(outcome(&look, &points))
}
