//! A Socket.IO client on a WebSocket.

use std::{
    io::{self, Write},
    time::Instant,
};

use super::{Connection, Tally};
use crate::broken;

#[derive(Debug)]
pub(super) struct Socket {
    connection: Connection,
    /// The number of the next acknowledgement.
    next: u64,
    /// Engine.IO's ping has come: there is one at the beginning.
    pinged: bool,
}

/// An acknowledgement.
struct Ack {
    number: u64,
    good: bool,
}

impl Socket {
    /// Shakes hands and joins the namespace `/`.
    pub(super) async fn connect(port: u16, cookie: &str) -> io::Result<Self> {
        let mut connection = Connection::open(port).await?;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        connection.write(request.as_bytes()).await?;
        let head = connection.head().await?;
        if !head.starts_with("HTTP/1.1 101") {
            return Err(broken(&head));
        }
        let mut socket = Self { connection, next: 0, pinged: false };
        socket.expect("0{").await?;
        let mut frames = Vec::new();
        push_frame(&mut frames, b"40");
        socket.connection.write(&frames).await?;
        socket.expect("40{").await?;
        Ok(socket)
    }

    /// Emits the event that often, `in_flight` at a time, and awaits the acknowledgements.
    pub(super) async fn run(
        &mut self,
        event: &str,
        operations: usize,
        in_flight: usize,
    ) -> io::Result<Tally> {
        let first = self.next;
        let mut asked: Vec<Instant> = Vec::with_capacity(operations);
        let mut tally = Tally { latencies: Vec::with_capacity(operations), ..Tally::default() };
        let (mut frames, mut packet) = (Vec::new(), Vec::new());
        while tally.latencies.len() < operations {
            frames.clear();
            while asked.len() < operations && asked.len() - tally.latencies.len() < in_flight {
                packet.clear();
                write!(packet, "42{}[\"{event}\"]", self.next)?;
                push_frame(&mut frames, &packet);
                self.next += 1;
                asked.push(Instant::now());
            }
            if !frames.is_empty() {
                self.connection.write(&frames).await?;
            }
            // All that has arrived, before the next are sent.
            let mut ack = self.ack().await?;
            while let Some(Ack { number, good }) = ack {
                let asked = usize::try_from(number - first).ok().and_then(|index| asked.get(index));
                tally.answered(*asked.ok_or_else(|| broken("an acknowledgement of nothing"))?, good);
                ack = self.frame().map(acknowledgement).transpose()?;
            }
        }
        Ok(tally)
    }

    async fn ack(&mut self) -> io::Result<Option<Ack>> {
        loop {
            if let Some(frame) = self.frame() {
                return acknowledgement(frame).map(Some);
            }
            self.more().await?;
        }
    }

    async fn expect(&mut self, start: &str) -> io::Result<()> {
        loop {
            if let Some(frame) = self.frame() {
                let good = frame.starts_with(start.as_bytes());
                return if good { Ok(()) } else { Err(broken(&String::from_utf8_lossy(frame))) };
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.pinged) {
            let mut pong = Vec::new();
            push_frame(&mut pong, b"3");
            self.connection.write(&pong).await?;
        }
        self.connection.more().await
    }

    /// The payload of the next frame that is no ping, if it has arrived.
    fn frame(&mut self) -> Option<&[u8]> {
        loop {
            let (head, length) = frame_of(self.connection.rest())?;
            self.connection.skip(head + length);
            // It is before what was just skipped.
            if self.connection.last(length) != Some(b"2") {
                return self.connection.last(length);
            }
            self.pinged = true;
        }
    }
}

/// The lengths of the head and of the payload of a frame of the server's that has arrived whole.
fn frame_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= head + length).then_some((head, length))
}

fn acknowledgement(frame: &[u8]) -> io::Result<Ack> {
    let ack = frame.strip_prefix(b"43").ok_or_else(|| no_acknowledgement(frame))?;
    let digits = ack.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    // A number is answered; an object is an error.
    Ok(Ack { number, good: !ack.contains(&b'{') })
}

fn no_acknowledgement(frame: &[u8]) -> io::Error {
    broken(&format!("no acknowledgement: {}", String::from_utf8_lossy(frame)))
}

/// A text frame. Its mask is zero: allowed, and nothing to compute.
fn push_frame(frames: &mut Vec<u8>, payload: &[u8]) {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126);
    frames.extend([0x81, 0x80 | length.expect("a short packet"), 0, 0, 0, 0]);
    frames.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_when_they_are_whole() {
        assert_eq!(frame_of(b"\x81\x07430[7]"), None);
        assert_eq!(frame_of(b"\x81\x06430[7]"), Some((2, 6)));
        assert_eq!(frame_of(b"\x81\x7e\x00"), None);
        assert_eq!(frame_of(&[&b"\x81\x7e\x00\x80"[..], &[b'x'; 128]].concat()), Some((4, 128)));
    }

    #[test]
    fn acknowledgements_are_read() {
        let ack = acknowledgement(b"4312[7]").unwrap();
        assert_eq!((ack.number, ack.good), (12, true));
        assert!(!acknowledgement(br#"433[{"error":"no"}]"#).unwrap().good);
        assert!(acknowledgement(b"2").is_err());
    }
}
