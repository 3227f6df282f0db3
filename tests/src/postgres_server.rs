//! PostgreSQL servers, each in a directory that goes with it: one for all tests of a target, and some of a test's own, which
//! can be killed and stopped. They listen on no port, only on a socket in that directory.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::sync::OnceCell;
use tower_sessions_sqlx_store::{
    PostgresStore,
    sqlx::{
        Connection as _, Error, PgConnection, Row as _,
        postgres::{PgConnectOptions, PgPool, PgPoolOptions},
        query,
    },
};

use crate::process::Process;

/// A server that runs, unless it was killed.
#[derive(Debug)]
pub struct PostgresServer {
    pub directory: PathBuf,
    process: Option<Process>,
    /// Settings beside those that all have.
    settings: Vec<String>,
    /// When this process ends, however it does, so does the standard input of the shell, which then tidies up.
    _keeper: Process,
}

/// Nothing is written to the disk before it is acknowledged.
const FORGETFUL: &[&str] = &["fsync=off", "full_page_writes=off"];

/// A static is never dropped; but it has a keeper.
static SERVER: OnceCell<PostgresServer> = OnceCell::const_new();

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// It makes the files, says so, and tidies up in the end.
const KEEPER: &str = r#"
    trap "" HUP INT TERM
    [ -n "$1" ] || initdb --pgdata="$PWD/data" --username=test --auth=trust --encoding=UTF8 --no-locale --no-sync >log || exit
    echo made
    cat >/dev/null
    [ -f data/postmaster.pid ] && kill -9 "$(head -n 1 data/postmaster.pid)"
    rm -rf "$PWD"
"#;

/// A store in a table that all tests of this target share.
pub async fn store() -> PostgresStore {
    PostgresStore::new(pool().await)
}

/// Its connections.
pub async fn pool() -> PgPool {
    pool_in(options(directory().await)).await.unwrap()
}

/// Where its socket is, which is called `.s.PGSQL.5432`.
pub async fn directory() -> &'static Path {
    &shared().await.directory
}

async fn shared() -> &'static PostgresServer {
    SERVER
        .get_or_init(async || {
            let server = PostgresServer::start_with(FORGETFUL).await;
            PostgresStore::new(pool_in(server.options()).await.unwrap()).migrate().await.unwrap();
            server
        })
        .await
}

/// How a server is reached by the socket in this directory: its own, or one that leads there.
pub fn options(directory: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(directory).username("test").database("postgres")
}

/// A database of a test's own on the server that all share: who listens there hears of nothing else.
#[derive(Debug)]
pub struct Database {
    name: String,
    directory: &'static Path,
}

impl Database {
    pub async fn create() -> Self {
        let directory = directory().await;
        let name = format!("of_test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect_with(&options(directory)).await.unwrap();
        query(&format!("CREATE DATABASE {name}")).execute(&mut connection).await.unwrap();
        Self { name, directory }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the socket of its server is.
    pub fn directory(&self) -> &'static Path {
        self.directory
    }

    /// As other processes know it.
    pub fn url(&self) -> String {
        url(self.directory, &self.name)
    }

    pub fn options(&self) -> PgConnectOptions {
        options(self.directory).database(&self.name)
    }

    pub async fn pool(&self) -> PgPool {
        pool_in(self.options()).await.unwrap()
    }
}

/// How other processes reach a database by the socket in this directory.
pub fn url(directory: &Path, database: &str) -> String {
    format!("postgres://test@localhost/{database}?host={}", directory.display())
}

impl PostgresServer {
    /// One of a test's own, which writes down what it acknowledges.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these settings, too.
    pub async fn start_with(settings: &[&str]) -> Self {
        let (directory, keeper) = keep(false).await;
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { directory, process: None, settings, _keeper: keeper };
        server.run().await;
        server
    }

    /// A hot standby of this one, which hears of every commit.
    pub async fn start_standby(&self) -> Self {
        let (directory, keeper) = keep(true).await;
        let mut backup = as_its_user("pg_basebackup", &directory);
        let backup =
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--username=test"]);
        let backup = backup.arg("--host").arg(&self.directory).arg("--pgdata").arg(directory.join("data"));
        assert!(backup.status().unwrap().success(), "a copy of the server");
        let mut server = Self { directory, process: None, settings: self.settings.clone(), _keeper: keeper };
        server.run().await;
        server
    }

    /// Starts it again with what it wrote down, once nothing is left of what was killed.
    pub async fn run(&mut self) {
        loop {
            let mut server = as_its_user("postgres", &self.directory);
            let socket = format!("unix_socket_directories={}", self.directory.display());
            server.arg("-D").arg(self.directory.join("data"));
            for setting in
                ["listen_addresses=", &socket].into_iter().chain(self.settings.iter().map(String::as_str))
            {
                server.args(["-c", setting]);
            }
            let process = self.process.insert(Process::start(&mut server));
            let options = options(&self.directory);
            let begun = process.answer(async || PgConnection::connect_with(&options).await.ok()).await;
            if begun.is_some() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it (`STOP`) with all its connections, or lets them go on (`CONT`).
    pub fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        process.signal(signal);
        let children =
            Command::new("ps").args(["-o", "pid=", "--ppid", &process.id().to_string()]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let children: Vec<_> = children.split_whitespace().collect();
        // One that has ended meanwhile needs none.
        Command::new("kill").args(["-s", signal]).args(children).stderr(Stdio::null()).status().unwrap();
    }

    /// Kills one of its connections as the system does when memory is short: the server ends all others, and begins anew.
    pub async fn kill_a_connection(&self) {
        let Ok(mut connection) = PgConnection::connect_with(&self.options()).await else { return };
        let pid = query("SELECT pg_backend_pid()").fetch_one(&mut connection).await;
        let Ok(pid) = pid.and_then(|row| row.try_get::<i32, _>(0)) else { return };
        Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status().unwrap();
    }

    /// Waits until it serves again.
    pub async fn is_back(&mut self) {
        let options = self.options();
        let process = self.process.as_mut().expect("it runs");
        let back = process.answer(async || PgConnection::connect_with(&options).await.ok()).await;
        back.expect("it did not end");
    }

    pub fn options(&self) -> PgConnectOptions {
        options(&self.directory)
    }

    pub async fn pool(&self) -> PgPool {
        pool_in(self.options()).await.unwrap()
    }
}

/// A directory, and its keeper. A standby has no files of its own.
async fn keep(is_standby: bool) -> (PathBuf, Process) {
    let made = Command::new("mktemp").args(["-d", "-t", "postgres-of-test-XXXXXX"]).output().unwrap();
    let directory = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
    if let Some((user, group)) = unprivileged() {
        chown(&directory, Some(user), Some(group)).unwrap();
    }
    let mut keeper = as_its_user("sh", &directory);
    keeper.args(["-c", KEEPER, "keeper", if is_standby { "standby" } else { "" }]);
    let mut keeper = Process::start_talking(&mut keeper);
    assert_eq!(keeper.line().await, "made", "see the log in {}", directory.display());
    (directory, keeper)
}

/// Runs in that directory, as a user that PostgreSQL serves, and writes to the log there.
pub(crate) fn as_its_user(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log")).unwrap();
    if let Some((user, group)) = unprivileged() {
        chown(directory.join("log"), Some(user), Some(group)).unwrap();
        command.uid(user).gid(group);
    }
    command.current_dir(directory).env("PATH", path_with_postgres());
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command
}

async fn pool_in(options: PgConnectOptions) -> Result<PgPool, Error> {
    PgPoolOptions::new().max_connections(4).connect_with(options).await
}

/// Debian keeps the programs of the server where no `PATH` leads.
fn path_with_postgres() -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let known = env::var("PATH").unwrap_or_default();
    let newest = folders.pop().map(|folder| folder.display().to_string());
    newest.map_or(known.clone(), |folder| format!("{folder}:{known}"))
}

/// PostgreSQL refuses to serve root: the user that its package made, where this is root.
pub(crate) fn unprivileged() -> Option<(u32, u32)> {
    let ask = |arguments: &[&str]| -> u32 {
        let answer = Command::new("id").args(arguments).output().unwrap().stdout;
        String::from_utf8(answer).unwrap().trim().parse().expect("a user called `postgres`")
    };
    (ask(&["-u"]) == 0).then(|| (ask(&["-u", "postgres"]), ask(&["-g", "postgres"])))
}
