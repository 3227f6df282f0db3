//! A program in a process of its own: started, waited for until it answers, talked to by lines, and ended by its number
//! when it is dropped. Every server and every client of another language that the tests need is started here.

use std::{
    env,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::Router;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
};

use crate::{app::App, soon};

/// How long a program may take to begin. PostgreSQL makes its files first.
const BEGINNING: Duration = Duration::from_mins(1);

/// What a server prints before its address.
const SERVING: &str = "serving at ";

/// Set in the process of a test that is run once more.
const AGAIN: &str = "SOCKETIOXIDE_SESSION_TEST_AGAIN";

/// A port of the loopback interface that is free now. Somebody else may be faster to take it.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("the port's number").port()
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("tests/run installs what is missing, or names it: {error} in {command:?}")
        });
        Self { child, stdin: None, lines: None }
    }

    /// One that reads lines and prints lines.
    pub fn start_talking(command: &mut Command) -> Self {
        let mut process = Self::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (stdin, stdout) = (process.child.stdin.take(), process.child.stdout.take());
        let stdin = ChildStdin::from_std(stdin.expect("a piped stdin")).expect("a pipe");
        let stdout = ChildStdout::from_std(stdout.expect("a piped stdout")).expect("a pipe");
        (process.stdin, process.lines) = (Some(stdin), Some(BufReader::new(stdout).lines()));
        process
    }

    /// The test of this name in this program, once more: there [`is_again`] is true.
    pub fn again(test: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program"));
        Self::start_talking(command.args(["--exact", test, "--nocapture"]).env(AGAIN, "1"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a process of this one's").is_none()
    }

    /// Asks until there is an answer; `None` if the program ended first.
    pub async fn answer<T, Asked: Future<Output = Option<T>>>(
        &mut self,
        ask: impl Fn() -> Asked,
    ) -> Option<T> {
        let deadline = Instant::now() + BEGINNING;
        while self.is_running() {
            if let Some(answer) = ask().await {
                return Some(answer);
            }
            assert!(Instant::now() < deadline, "process {} does not answer", self.id());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// The pipes, for whoever reads and writes at once.
    pub fn take_pipes(&mut self) -> (ChildStdin, Lines<BufReader<ChildStdout>>) {
        let stdin = self.stdin.take().expect("a program that is talked to");
        (stdin, self.lines.take().expect("a program that is talked to"))
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let lines = self.lines.as_mut().expect("a program that is talked to");
        let line = soon("a line of another process", lines.next_line()).await;
        line.expect("a readable line").expect("a process that prints a line before it ends")
    }

    pub async fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("a program that is talked to");
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("a process that listens");
    }

    /// The application that it serves, once it says so as [`say_where`] does.
    pub async fn app(&mut self) -> App {
        loop {
            // The harness of a test that is run again prints lines of its own, and no end of line after the last one.
            if let Some((_, address)) = self.line().await.split_once(SERVING) {
                return App::elsewhere(address.parse().expect("an address"));
            }
        }
    }

    /// Sends it a signal: `KILL`, `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.id().to_string()]).status();
        assert!(status.expect("a command `kill`").success(), "{signal} for process {}", self.id());
    }

    /// A figure of the system about its memory (`VmRSS`, `VmHWM`), in KiB.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the system's figures about a process that runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("the figure");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether this process is a test that was run once more by [`Process::again`].
pub fn is_again() -> bool {
    env::var_os(AGAIN).is_some()
}

/// Tells the process that started this one where it serves.
pub fn say_where(address: std::net::SocketAddr) {
    println!("{SERVING}{address}");
}

/// Serves the process that started this one, until that one ends.
pub async fn serve_parent(router: Router) {
    let app = App::new(router);
    say_where(app.address());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await.expect("a parent");
}
