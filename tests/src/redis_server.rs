//! A `redis-server` of a test's own, on a free port of the loopback interface, in a directory that goes with it.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use redis::{Client, FromRedisValue, RedisResult, aio::MultiplexedConnection};

use crate::{
    certificate,
    process::{Process, free_port},
};

#[derive(Debug)]
pub struct RedisServer {
    process: Option<Process>,
    pub port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

impl RedisServer {
    /// Nothing of it is kept.
    pub async fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// A cluster of one node, which is as strict about slots as a large one.
    pub async fn start_cluster() -> Self {
        let server = Self::start_with(&["--save", "", "--cluster-enabled", "yes"]).await;
        let () = server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !server.command::<String>(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok") {
            assert!(Instant::now() < deadline, "the cluster does not begin");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    /// It also speaks TLS, on the port that is given, with a certificate of its own.
    pub async fn start_with_tls() -> (Self, u16, Vec<u8>) {
        let mut server = Self::start().await;
        let (certificate, key) = certificate::make(&server.directory);
        let port = free_port();
        server.kill();
        let files = [
            ("--tls-cert-file", &certificate),
            ("--tls-key-file", &key),
            ("--tls-ca-cert-file", &certificate),
        ];
        server.arguments.extend(["--tls-port".to_owned(), port.to_string()]);
        server.arguments.extend(["--tls-auth-clients".to_owned(), "no".to_owned()]);
        for (name, file) in files {
            server.arguments.extend([name.to_owned(), file.to_str().unwrap().to_owned()]);
        }
        server.run().await;
        (server, port, std::fs::read(certificate).unwrap())
    }

    pub async fn start_with(arguments: &[&str]) -> Self {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("redis-of-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { process: None, port: 0, directory, arguments };
        loop {
            server.port = free_port();
            if server.try_to_run().await {
                return server;
            }
            // Somebody else was faster on that port.
            server.kill();
        }
    }

    /// Starts it again, on the same port, with what it kept.
    pub async fn run(&mut self) {
        assert!(self.try_to_run().await, "the port was taken by somebody else");
    }

    /// `false` if another server answers on that port, or this one ends because it is taken.
    async fn try_to_run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--loglevel", "warning"]);
        command.args(&self.arguments).current_dir(&self.directory).stdout(Stdio::null());
        let process = self.process.insert(Process::start(&mut command));
        let (port, number) = (self.port, format!("process_id:{}\r\n", process.id()));
        process.answer(|| about(port)).await.is_some_and(|about| about.contains(&number))
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it (`STOP`) or lets it go on (`CONT`).
    pub fn signal(&self, signal: &str) {
        self.process.as_ref().expect("it runs").signal(signal);
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn client(&self) -> Client {
        Client::open(self.url()).unwrap()
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        self.client().get_multiplexed_async_connection().await.unwrap()
    }

    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).await.unwrap()
    }

    /// A command that Redis may refuse.
    pub async fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.client().get_multiplexed_async_connection().await?).await
    }

    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        self.command(&["KEYS", pattern]).await
    }

    /// How often each command was called from outside of scripts since the last `CONFIG RESETSTAT`.
    pub async fn calls(&self, command: &str) -> u64 {
        let statistics: String = self.command(&["INFO", "commandstats"]).await;
        let line =
            statistics.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }
}

/// What the server on this port says of itself, once it answers and has read what it kept.
async fn about(port: u16) -> Option<String> {
    let client = Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let about: String = redis::cmd("INFO").query_async(&mut connection).await.ok()?;
    about.contains("loading:0\r\n").then_some(about)
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        std::fs::remove_dir_all(&self.directory).ok();
    }
}
