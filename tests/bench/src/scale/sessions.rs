//! Live sessions, most of them idle: what an event of a thousand others costs.

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

const LARGEST: usize = 1_000_000;

/// With sockets, whose events are measured.
const BUSY: usize = 1000;

const JOBS: [Job; 2] = [
    Job { title: "reads", event: "read", lanes: 32, operations: |_| 4000, counts: false },
    Job { title: "writes", event: "write", lanes: 32, operations: |_| 4000, counts: false },
];

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let mut subjects = Vec::new();
    for server in [Server::ByHand, Server::Memory] {
        for sessions in options.decades(BUSY, LARGEST) {
            subjects.push(with_sessions(server, sessions, BUSY, pinned).await?);
        }
    }
    let points = paired(&mut subjects, &JOBS, options.cycles).await?;
    let look = Look {
        title: "Cost of an event by the number of live sessions",
        x: "live sessions",
        name: in_figures,
        logarithmic: false,
    };
    Ok(outcome(&look, &points))
}

/// A server of its own, and a socket on each of the first of so many sessions.
pub(super) async fn with_sessions(
    server: Server,
    sessions: usize,
    busy: usize,
    pinned: Pinned,
) -> io::Result<Subject> {
    let process = Rc::new(Process::serve(&[server.name(), ""], pinned)?);
    let mut subject = Subject::at(server, sessions, &process).await?;
    let cookies = subject.flock.begin(Size::Small, busy).await?;
    subject.flock.connect(&cookies).await?;
    eprintln!("  {} with {sessions} sessions", server.name());
    subject.flock.post(&format!("/fill/{}/begin/{}", sessions - busy, Size::Small)).await?;
    Ok(subject)
}
