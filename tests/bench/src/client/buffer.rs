//! A connection and what has arrived on it.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// How much of `bytes` was looked at.
    read: usize,
}

impl Connection {
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, bytes: Vec::new(), read: 0 })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// What arrived and was not looked at yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    pub(super) fn skip(&mut self, length: usize) {
        self.read += length;
    }

    /// The last bytes that were skipped.
    pub(super) fn last(&self, length: usize) -> Option<&[u8]> {
        self.bytes.get(self.read.checked_sub(length)?..self.read)
    }

    /// Waits for more.
    pub(super) async fn more(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.read);
        self.read = 0;
        match self.stream.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The head of an HTTP answer, without its empty line.
    pub(super) async fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(length) = self.rest().windows(4).position(|end| end == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.rest()[..length]).into_owned();
                self.skip(length + 4);
                return Ok(head);
            }
            self.more().await?;
        }
    }
}
