//! The size of a state: one text, and many parts; an event writes one field of ten.

use std::{io, rc::Rc};

use super::{
    Options, Outcome,
    growth::{Job, Look, Point, Subject, outcome, paired},
};
use crate::{
    process::{Pinned, Process},
    state::{Size, in_words},
    work::Server,
};

const LARGEST: usize = 1 << 20;
const SOCKETS: usize = 4;

/// What the jobs of a kind of state are called.
struct Kind {
    of: fn(usize) -> Size,
    reads: &'static str,
    writes: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind { of: Size::Text, reads: "reads, one text", writes: "writes, one text" },
    Kind { of: Size::Parts, reads: "reads, parts", writes: "writes, parts" },
];

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let mut points = Vec::new();
    for kind in KINDS {
        points.extend(of_kind(&kind, options, pinned).await?);
    }
    let look = Look {
        title: "Cost of an event by the size of the state",
        x: "size of the state",
        name: in_words,
        logarithmic: true,
    };
    Ok(outcome(&look, &points))
}

async fn of_kind(kind: &Kind, options: &Options, pinned: Pinned) -> io::Result<Vec<Point>> {
    let job = |title, event| Job { title, event, lanes: SOCKETS, operations, counts: false };
    let jobs = [job(kind.reads, "read"), job(kind.writes, "write")];
    let mut subjects = Vec::new();
    for server in [Server::ByHand, Server::Memory] {
        let process = Rc::new(Process::serve(&[server.name(), ""], pinned)?);
        let mut bytes = 1 << 10;
        while bytes <= options.largest(LARGEST).max(1 << 12) {
            let mut subject = Subject::at(server, bytes, &process).await?;
            let cookies = subject.flock.begin((kind.of)(bytes), SOCKETS).await?;
            subject.flock.connect(&cookies).await?;
            subjects.push(subject);
            bytes *= 4;
        }
    }
    paired(&mut subjects, &jobs, options.cycles).await
}

/// Fewer of what takes long.
fn operations(bytes: usize) -> usize {
    ((8 << 20) / bytes).clamp(16, 2000)
}
