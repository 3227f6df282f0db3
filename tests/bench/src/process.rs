//! The servers' processes: starting them, the processor that they may use, and the time of it that they used.

use std::{
    env, fs, io,
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::{broken, work::Server};

/// Which processor is whose: the servers' and the clients'.
const PROCESSORS: [&str; 2] = ["0", "1"];

/// A server in a process of its own, which ends with this.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// The server ends when this closes: also if this process is killed.
    _alive: Option<ChildStdin>,
    pub(crate) port: u16,
}

impl Process {
    pub(crate) fn start(server: Server, pinned: bool) -> io::Result<Self> {
        let this = env::current_exe()?;
        let mut command = if pinned {
            let mut taskset = Command::new("taskset");
            taskset.args(["-c", PROCESSORS[0]]).arg(this);
            taskset
        } else {
            Command::new(this)
        };
        command.args(["serve", server.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let alive = child.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(|_| broken("a server did not start"))?;
        Ok(Self { child, _alive: alive, port })
    }

    /// The processor time of all its threads, in nanoseconds.
    pub(crate) fn cpu(&self) -> io::Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let time = text.split(' ').next().and_then(|time| time.parse::<u64>().ok());
            sum += time.ok_or_else(|| broken("this system does not tell a thread's processor time"))?;
        }
        Ok(sum)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Gives this process, with the threads that it will start, the clients' processor. `false` if that cannot be.
pub(crate) fn pin_clients() -> bool {
    let pid = std::process::id().to_string();
    let taskset = Command::new("taskset").args(["-cp", PROCESSORS[1], &pid]).stdout(Stdio::null()).status();
    taskset.is_ok_and(|status| status.success())
}

/// Ends this process when the one that started it is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        std::process::exit(0);
    });
}
