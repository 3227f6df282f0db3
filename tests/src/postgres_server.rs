//! A PostgreSQL server for all tests of a target, in a directory that goes with it. It listens on no port, only on a
//! socket in that directory.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::sync::OnceCell;
use tower_sessions_sqlx_store::{
    PostgresStore,
    sqlx::{
        Error,
        postgres::{PgConnectOptions, PgPool, PgPoolOptions},
    },
};

use crate::process::Process;

/// A static is never dropped. But when this process ends, however it does, so does the standard input of the shell,
/// which then tidies up.
#[derive(Debug)]
struct PostgresServer {
    directory: PathBuf,
    _keeper: Process,
}

static SERVER: OnceCell<PostgresServer> = OnceCell::const_new();

const KEEPER: &str = r#"
    trap "" HUP INT TERM
    initdb --pgdata="$PWD/data" --username=test --auth=trust --encoding=UTF8 --no-locale --no-sync || exit
    postgres -D "$PWD/data" -c listen_addresses= -c unix_socket_directories="$PWD" -c fsync=off &
    cat >/dev/null
    kill -INT $!
    wait
    rm -rf "$PWD"
"#;

/// A store in a table that all tests of this target share.
pub async fn store() -> PostgresStore {
    PostgresStore::new(pool().await)
}

/// Its connections.
pub async fn pool() -> PgPool {
    pool_in(directory().await).await.unwrap()
}

/// Where its socket is, which is called `.s.PGSQL.5432`.
pub async fn directory() -> &'static Path {
    &SERVER.get_or_init(PostgresServer::start).await.directory
}

/// How it is reached by the socket in this directory: its own, or one that leads there.
pub fn options(directory: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(directory).username("test").database("postgres")
}

impl PostgresServer {
    async fn start() -> Self {
        let made = Command::new("mktemp").args(["-d", "-t", "postgres-of-test-XXXXXX"]).output().unwrap();
        let directory = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
        let log = fs::File::create(directory.join("log")).unwrap();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER]).current_dir(&directory).env("PATH", path_with_postgres());
        keeper.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        if let Some((user, group)) = unprivileged() {
            chown(&directory, Some(user), Some(group)).unwrap();
            keeper.uid(user).gid(group);
        }
        let mut keeper = Process::start(&mut keeper);
        let begun = keeper
            .answer(|| async {
                let pool = pool_in(&directory).await.ok()?;
                PostgresStore::new(pool).migrate().await.ok()
            })
            .await;
        let log = directory.join("log");
        begun.unwrap_or_else(|| panic!("PostgreSQL does not begin: {}", fs::read_to_string(log).unwrap()));
        Self { directory, _keeper: keeper }
    }
}

async fn pool_in(directory: &Path) -> Result<PgPool, Error> {
    PgPoolOptions::new().max_connections(4).connect_with(options(directory)).await
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
fn unprivileged() -> Option<(u32, u32)> {
    let ask = |arguments: &[&str]| -> u32 {
        let answer = Command::new("id").args(arguments).output().unwrap().stdout;
        String::from_utf8(answer).unwrap().trim().parse().expect("a user called `postgres`")
    };
    (ask(&["-u"]) == 0).then(|| (ask(&["-u", "postgres"]), ask(&["-g", "postgres"])))
}
