//! A PostgreSQL of the run's own, reached by a socket in a directory that goes with it, which ends with this process. It
//! writes down what it acknowledges, as it does by default.

use std::{
    env, fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::Command,
};

use crate::{
    broken,
    process::{Pinned, Process, cpu_of},
};

/// The shell outlives this process by the moment that it takes to tidy up.
const KEEPER: &str = r#"
    trap "" HUP INT TERM
    initdb --pgdata=data --username=bench --auth=trust --encoding=UTF8 --no-locale --no-sync >log 2>&1 || exit
    postgres -D data -c listen_addresses= -c unix_socket_directories="$PWD" >>log 2>&1 &
    until pg_isready --quiet --host="$PWD" --username=bench; do kill -0 $! || exit; sleep 0.1; done
    echo $!
    cat
    kill -INT $!
    wait
    rm -rf "$PWD"
"#;

#[derive(Debug)]
pub(crate) struct Postgres {
    /// Ends it when this is dropped.
    _keeper: Process,
    pid: u32,
    pub(crate) url: String,
}

impl Postgres {
    /// `None` where it is not installed.
    pub(crate) fn start(pinned: Pinned) -> io::Result<Option<Self>> {
        let path = path_with_postgres();
        if Command::new("initdb").arg("--version").env("PATH", &path).output().is_err() {
            return Ok(None);
        }
        let made = said_by(Command::new("mktemp").arg("-d"))?;
        let directory = PathBuf::from(&made);
        let mut command = pinned.command(1, "sh");
        command.args(["-c", KEEPER]).current_dir(&directory).env("PATH", path);
        // It refuses to serve root.
        if said_by(Command::new("id").arg("-u"))? == "0" {
            let number =
                |of| said_by(Command::new("id").args([of, "postgres"]))?.parse().map_err(|_| nobody());
            let (user, group) = (number("-u")?, number("-g")?);
            chown(&directory, Some(user), Some(group))?;
            command.uid(user).gid(group);
        }
        let keeper = Process::start(command)?;
        let pid = keeper.said().parse().map_err(|_| broken("PostgreSQL did not start"))?;
        Ok(Some(Self {
            _keeper: keeper,
            pid,
            url: format!("postgres://bench@localhost/postgres?host={made}"),
        }))
    }

    /// The processor time of all its processes that live, in nanoseconds.
    pub(crate) fn cpu(&self) -> io::Result<u64> {
        let mut sum = cpu_of(self.pid)?;
        for process in fs::read_dir("/proc")?.flatten() {
            let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            // After the name, which may have anything in it: the state, and the parent.
            let parent =
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
            if parent == Some(self.pid) {
                // It may have ended meanwhile.
                sum += cpu_of(pid).unwrap_or(0);
            }
        }
        Ok(sum)
    }
}

fn said_by(command: &mut Command) -> io::Result<String> {
    let said = String::from_utf8(command.output()?.stdout);
    said.map(|said| said.trim().to_owned()).map_err(io::Error::other)
}

fn nobody() -> io::Error {
    broken("there is no user called `postgres`")
}

/// Debian keeps the programs of the server where no `PATH` leads.
fn path_with_postgres() -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin")).max();
    let known = env::var("PATH").unwrap_or_default();
    newest.map_or_else(|| known.clone(), |folder| format!("{}:{known}", folder.display()))
}
