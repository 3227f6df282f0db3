//! The servers' processes: starting them, the processor that they may use, and the time and memory that they used.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::broken;

/// Which processor is whose: the servers' and the clients' (and that of what servers keep their sessions in).
const PROCESSORS: [&str; 2] = ["0", "1"];

/// Whether processors are shared out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinned(pub(crate) bool);

/// A process that this one started, which ends with this.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// It ends when this closes: also if this process is killed.
    alive: Option<ChildStdin>,
    /// What it said when it had started.
    said: String,
}

impl Process {
    /// A server of this program's.
    pub(crate) fn serve(arguments: &[&str], pinned: Pinned) -> io::Result<Self> {
        let mut command = pinned.command(0, &env::current_exe()?);
        command.arg("serve").args(arguments);
        Self::start(command)
    }

    /// It says one line when it has started, and ends when its standard input closes.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let alive = child.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok(Self { child, alive, said: line.trim().to_owned() })
    }

    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        self.said.parse().map_err(|_| broken("a server did not start"))
    }

    /// The processor time of all its threads, in nanoseconds.
    pub(crate) fn cpu(&self) -> io::Result<u64> {
        cpu_of(self.child.id())
    }

    /// The memory that it has of its own, in bytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        memory_of(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.alive.take());
        self.child.wait().ok();
    }
}

impl Pinned {
    /// Gives this process, with the threads that it will start, the clients' processor, if that can be.
    pub(crate) fn clients() -> Self {
        let pid = std::process::id().to_string();
        let taskset =
            Command::new("taskset").args(["-cp", PROCESSORS[1], &pid]).stdout(Stdio::null()).status();
        let pinned = taskset.is_ok_and(|status| status.success());
        if !pinned {
            eprintln!(
                "servers and clients share the processors: there are too few, or there is no `taskset`"
            );
        }
        Self(pinned)
    }

    /// The program on the servers' processor (0) or the clients' (1).
    pub(crate) fn command(self, processor: usize, program: impl AsRef<OsStr>) -> Command {
        if !self.0 {
            return Command::new(program);
        }
        let mut taskset = Command::new("taskset");
        taskset.args(["-c", PROCESSORS[processor]]).arg(program);
        taskset
    }
}

pub(crate) fn cpu_of(pid: u32) -> io::Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let time = text.split(' ').next().and_then(|time| time.parse::<u64>().ok());
        sum += time.ok_or_else(|| broken("this system does not tell a thread's processor time"))?;
    }
    Ok(sum)
}

pub(crate) fn memory_of(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kilobytes.ok_or_else(|| broken("this system does not tell a process's memory"))? * 1024)
}

/// Ends this process when the one that started it is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        std::process::exit(0);
    });
}
