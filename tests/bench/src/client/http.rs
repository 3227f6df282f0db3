//! Requests, one after the other on one connection.

use std::{io, time::Instant};

use super::{Connection, Tally};
use crate::{broken, state::Size, work::Work};

#[derive(Debug)]
pub(super) struct Http {
    connection: Connection,
    cookie: String,
    idle: Vec<u8>,
    read: Vec<u8>,
    write: Vec<u8>,
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn is_good(&self) -> bool {
        self.head.starts_with("HTTP/1.1 200")
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

impl Http {
    pub(super) async fn connect(port: u16) -> io::Result<Self> {
        // What a server without a session is shown: as long as any other.
        let cookie = "id=AAAAAAAAAAAAAAAAAAAAAA".to_owned();
        let (idle, read, write) = Default::default();
        Ok(Self { connection: Connection::open(port).await?, cookie, idle, read, write })
    }

    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Begins a session with a state of that size.
    pub(super) async fn begin(&mut self, size: Size) -> io::Result<()> {
        let request = format!("POST /begin/{size} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n");
        let answer = self.ask(request.as_bytes()).await?;
        if !answer.is_good() {
            return Err(broken(&answer.head));
        }
        if let Some((cookie, _)) = answer.header("set-cookie").and_then(|line| line.split_once(';')) {
            cookie.clone_into(&mut self.cookie);
        }
        let cookie = &self.cookie;
        let get =
            |path| format!("GET {path} HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\n\r\n").into_bytes();
        (self.idle, self.read) = (get("/idle"), get("/read"));
        self.write =
            format!("POST /write HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
                .into_bytes();
        Ok(())
    }

    /// Asks for something to be done.
    pub(super) async fn post(&mut self, path: &str) -> io::Result<()> {
        let request = format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n");
        let answer = self.ask(request.as_bytes()).await?;
        if answer.is_good() { Ok(()) } else { Err(broken(&answer.head)) }
    }

    pub(super) async fn count(&mut self) -> io::Result<u64> {
        let answer = self.ask(&self.read.clone()).await?;
        answer.body.parse().map_err(|_| broken(&answer.head))
    }

    pub(super) async fn run(&mut self, work: Work, operations: usize) -> io::Result<Tally> {
        let request = match work {
            Work::HttpIdle => self.idle.clone(),
            work if work.writes() => self.write.clone(),
            _ => self.read.clone(),
        };
        let mut tally = Tally::default();
        for _ in 0..operations {
            let asked = Instant::now();
            let answer = self.ask(&request).await?;
            tally.answered(asked, answer.is_good());
        }
        Ok(tally)
    }

    async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.connection.write(request).await?;
        let head = self.connection.head().await?;
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.connection.rest().len() < length {
            self.connection.more().await?;
        }
        let body = String::from_utf8_lossy(&self.connection.rest()[..length]).into_owned();
        self.connection.skip(length);
        Ok(Answer { head, body })
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.find_map(|(of, value)| of.eq_ignore_ascii_case(name).then_some(value))
}
