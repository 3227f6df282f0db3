//! A `redis-server` of the run's own, on a free port, which ends with this process and keeps nothing.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread::sleep,
    time::Duration,
};

use crate::{
    broken,
    process::{Pinned, Process, cpu_of},
};

/// The shell outlives this process by the moment that it takes to tidy up.
const KEEPER: &str = r#"
    trap "" HUP INT TERM
    cd "$(mktemp -d)" || exit
    redis-server --bind 127.0.0.1 --port "$1" --save "" --appendonly no --logfile log &
    echo $!
    cat
    kill $! 2>/dev/null
    wait
    rm -rf "$PWD"
"#;

#[derive(Debug)]
pub(crate) struct Redis {
    /// Ends it when this is dropped.
    _keeper: Process,
    pid: u32,
    pub(crate) url: String,
}

impl Redis {
    /// `None` where it is not installed.
    pub(crate) fn start(pinned: Pinned) -> io::Result<Option<Self>> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            return Ok(None);
        }
        loop {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut command = pinned.command(1, "sh");
            command.args(["-c", KEEPER, "keeper", &port.to_string()]);
            let keeper = Process::start(command)?;
            let pid = keeper.said().parse().map_err(|_| broken("the shell did not start redis-server"))?;
            // Else somebody else was faster on that port.
            if is_up(port, pid)? {
                return Ok(Some(Self { _keeper: keeper, pid, url: format!("redis://127.0.0.1:{port}/") }));
            }
        }
    }

    /// Its processor time, in nanoseconds.
    pub(crate) fn cpu(&self) -> io::Result<u64> {
        cpu_of(self.pid)
    }
}

/// Waits until that process answers on that port: `false` if another does.
fn is_up(port: u16, pid: u32) -> io::Result<bool> {
    for _ in 0..200 {
        if let Some(about) = about(port) {
            return Ok(about.contains(&format!("process_id:{pid}\r\n")));
        }
        sleep(Duration::from_millis(50));
    }
    Err(broken("redis-server does not answer"))
}

fn about(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"INFO server\r\nQUIT\r\n").ok()?;
    let mut about = String::new();
    stream.read_to_string(&mut about).ok()?;
    Some(about)
}
