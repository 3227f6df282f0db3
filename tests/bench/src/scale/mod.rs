//! What grows: the number of sessions, of sockets, of sockets of one session, the size of a state; and the memory of
//! each session and each socket. Every measure ends in a table and a plot, which go into the documentation.

mod growth;
mod memory;
mod one_session;
mod sessions;
mod sockets;
mod state_size;
mod steady_rate;
mod sweeps;

use std::{io, time::Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use self::memory::states;
use crate::{client, page, plot::Plot, process::Pinned};

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub cycles: usize,
    /// Only measures whose name begins with this.
    pub only: String,
    /// Everything a hundredth of the size, and the documentation stays as it is: to try this program.
    pub small: bool,
}

impl Options {
    /// How much there is at most.
    fn largest(&self, number: usize) -> usize {
        if self.small { number / 100 } else { number }
    }

    /// Powers of ten, to the largest.
    fn decades(&self, from: usize, largest: usize) -> Vec<usize> {
        let mut decades = vec![from];
        while let Some(next) =
            decades.last().map(|last| last * 10).filter(|next| *next <= self.largest(largest))
        {
            decades.push(next);
        }
        decades
    }
}

/// What a measure came to.
struct Outcome {
    /// In Markdown.
    table: String,
    plot: Plot,
}

const MEASURES: [&str; 7] =
    ["sessions", "sweeps", "sockets", "one-session", "steady-rate", "state-size", "memory"];

pub(crate) async fn run(options: &Options) -> io::Result<()> {
    let pinned = Pinned::clients();
    raise_the_limit_of_files(options.largest(sockets::LARGEST))?;
    client::stay_awake(pinned);
    let began = Instant::now();
    for name in MEASURES.into_iter().filter(|name| name.starts_with(&options.only)) {
        eprintln!("{name}, after {} s", began.elapsed().as_secs());
        let outcome = match name {
            "sessions" => sessions::run(options, pinned).await?,
            "sweeps" => sweeps::run(options, pinned).await?,
            "sockets" => sockets::run(options, pinned).await?,
            "one-session" => one_session::run(options, pinned).await?,
            "steady-rate" => steady_rate::run(options, pinned).await?,
            "state-size" => state_size::run(options, pinned).await?,
            _ => memory::run(options, pinned).await?,
        };
        println!("{}\n\n{}", outcome.plot.title, outcome.table);
        if !options.small {
            page::draw(name, &outcome.plot)?;
            page::put(name, &format!("{}\nMeasured on {}.", outcome.table, page::machine()))?;
        }
    }
    eprintln!("done, after {} s", began.elapsed().as_secs());
    Ok(())
}

/// A socket is an open file, of this process and of the server's, which inherits the limit.
fn raise_the_limit_of_files(sockets: usize) -> io::Result<()> {
    let wanted = sockets as u64 + 100;
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(io::Error::other(format!("{sockets} sockets need `ulimit -Hn {wanted}` or more")));
    }
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    }
    Ok(())
}
