//! Many sockets of one server, of which few are busy at a time.

use std::{
    io,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use tokio::task::yield_now;

use super::{Http, Socket, Tally};
use crate::state::Size;

#[derive(Debug)]
pub(crate) struct Flock {
    port: u16,
    http: Http,
    sockets: Vec<Socket>,
    /// Whose turn is next, in each lane.
    next: usize,
}

impl Flock {
    /// None yet.
    pub(crate) async fn at(port: u16) -> io::Result<Self> {
        Ok(Self { port, http: Http::connect(port).await?, sockets: Vec::new(), next: 0 })
    }

    pub(crate) async fn post(&mut self, path: &str) -> io::Result<()> {
        self.http.post(path).await
    }

    /// Begins that many sessions, and gives their cookies.
    pub(crate) async fn begin(&mut self, size: Size, number: usize) -> io::Result<Vec<String>> {
        let mut cookies = Vec::with_capacity(number);
        for _ in 0..number {
            self.http.begin(size).await?;
            cookies.push(self.http.cookie().to_owned());
        }
        Ok(cookies)
    }

    /// A socket for each of the cookies.
    pub(crate) async fn connect(&mut self, cookies: impl IntoIterator<Item = &String>) -> io::Result<()> {
        for cookie in cookies {
            self.sockets.push(Socket::connect(self.port, cookie).await?);
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// The count of the session that began last.
    pub(crate) async fn count(&mut self) -> io::Result<u64> {
        self.http.count().await
    }

    /// Emits so many events, `lanes` at a time; in each lane the sockets take turns.
    pub(crate) async fn run(&mut self, event: &str, operations: usize, lanes: usize) -> io::Result<Tally> {
        let length = self.sockets.len().div_ceil(lanes).max(1);
        let each = operations.div_ceil(self.sockets.len().div_ceil(length).max(1));
        let from = self.next;
        self.next += each;
        let lane = async |sockets: &mut [Socket]| {
            let mut tally = Tally::default();
            for turn in from..from + each {
                let at = turn % sockets.len();
                tally.add(&sockets[at].run(event, 1, 1).await?);
            }
            io::Result::Ok(tally)
        };
        let tallies = try_join_all(self.sockets.chunks_mut(length).map(lane)).await?;
        Ok(Tally::sum(&tallies))
    }

    /// Emits so many events at this rate, the sockets in turn. An answer's time counts from when its event was due: a socket
    /// that still waits for the one before is late.
    pub(crate) async fn run_at(
        &mut self,
        event: &str,
        per_second: usize,
        operations: usize,
    ) -> io::Result<Tally> {
        let sockets = self.sockets.len();
        let began = Instant::now();
        let due = |number: usize| began + Duration::from_secs_f64(number as f64 / per_second as f64);
        let lane = async |(at, socket): (usize, &mut Socket)| {
            let mut tally = Tally::default();
            for number in (at..operations).step_by(sockets) {
                // Timers are too coarse.
                while Instant::now() < due(number) {
                    yield_now().await;
                }
                let answered = socket.run(event, 1, 1).await?;
                tally.answered(due(number), answered.errors == 0);
            }
            io::Result::Ok(tally)
        };
        let tallies = try_join_all(self.sockets.iter_mut().enumerate().map(lane)).await?;
        Ok(Tally::sum(&tallies))
    }
}
