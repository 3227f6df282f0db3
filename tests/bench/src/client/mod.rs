//! A load client that is cheaper than any server: frames and requests are written by hand, answers are looked at no
//! more than needed, and everything runs on one thread.

mod buffer;
mod flock;
mod http;
mod socket;

use std::{io, time::Instant};

use futures_util::future::try_join_all;
use tokio::task::yield_now;

pub(crate) use self::flock::Flock;
use self::{buffer::Connection, http::Http, socket::Socket};
use crate::{process::Pinned, state::Size, work::Work};

/// Keeps this thread awake as long as its runtime lives, if it has a processor of its own. A client that sleeps has to be woken by the server's write, for which
/// the server's processor interrupts the client's: that costs as much as a session does, and the slower the server, the more
/// often the client sleeps. Users' clients are on other machines.
pub(crate) fn stay_awake(pinned: Pinned) {
    if pinned.0 {
        tokio::spawn(async {
            loop {
                yield_now().await;
            }
        });
    }
}

/// What came of one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How long each answer took, in nanoseconds.
    pub latencies: Vec<u64>,
    pub errors: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.latencies.extend_from_slice(&other.latencies);
        self.errors += other.errors;
    }

    fn sum(tallies: &[Self]) -> Self {
        let mut sum = Self::default();
        for tally in tallies {
            sum.add(tally);
        }
        sum
    }

    fn answered(&mut self, asked: Instant, good: bool) {
        self.latencies.push(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.errors += usize::from(!good);
    }
}

/// The clients of one server, each with a session, a socket and a connection for requests of its own.
#[derive(Debug)]
pub(crate) struct Clients {
    sockets: Vec<Socket>,
    https: Vec<Http>,
}

impl Clients {
    pub(crate) async fn connect(port: u16, size: Size, number: usize) -> io::Result<Self> {
        let (mut sockets, mut https) = (Vec::new(), Vec::new());
        for _ in 0..number {
            let mut http = Http::connect(port).await?;
            http.begin(size).await?;
            sockets.push(Socket::connect(port, http.cookie()).await?);
            https.push(http);
        }
        Ok(Self { sockets, https })
    }

    /// Does the work, `operations` times in all.
    pub(crate) async fn run(&mut self, work: Work, operations: usize) -> io::Result<Tally> {
        let each = operations.div_ceil(self.sockets.len());
        let tallies = match work.event() {
            Some((event, in_flight)) => {
                try_join_all(self.sockets.iter_mut().map(|socket| socket.run(event, each, in_flight))).await?
            }
            None => try_join_all(self.https.iter_mut().map(|http| http.run(work, each))).await?,
        };
        Ok(Tally::sum(&tallies))
    }

    /// The sum of the counts of all sessions.
    pub(crate) async fn count(&mut self) -> io::Result<u64> {
        let mut sum = 0;
        for http in &mut self.https {
            sum += http.count().await?;
        }
        Ok(sum)
    }
}
