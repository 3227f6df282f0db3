//! `PgBouncer` in transaction mode, in front of a PostgreSQL server of the tests.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use tower_sessions_sqlx_store::sqlx::{Connection as _, PgConnection};

use crate::{
    postgres_server::{Database, as_its_user, options, unprivileged},
    process::Process,
};

/// It ends when this is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    // Before its directory, which goes when it has ended.
    process: Process,
    directory: PathBuf,
}

impl PgBouncer {
    /// With so few connections to the server that transactions of several clients take turns on them.
    pub async fn before(database: &Database) -> Self {
        let made = Command::new("mktemp").args(["-d", "-t", "pgbouncer-of-test-XXXXXX"]).output().unwrap();
        let directory = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
        let settings = format!(
            "[databases]\n* = host={} port=5432 user=test\n[pgbouncer]\nlisten_addr =\nlisten_port = 5432\n\
             unix_socket_dir = {}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n\
             ignore_startup_parameters = extra_float_digits\n",
            database.directory().display(),
            directory.display(),
        );
        fs::write(directory.join("pgbouncer.ini"), settings).unwrap();
        if let Some((user, group)) = unprivileged() {
            chown(&directory, Some(user), Some(group)).unwrap();
        }
        let program = ["/usr/sbin/pgbouncer", "pgbouncer"].into_iter().find(|path| Path::new(path).exists());
        let mut command = as_its_user(program.unwrap_or("pgbouncer"), &directory);
        let process = Process::start(command.arg("pgbouncer.ini"));
        let mut pooler = Self { process, directory };
        let reached = pooler.options_of(database);
        let begun = pooler.process.answer(async || PgConnection::connect_with(&reached).await.ok()).await;
        assert!(begun.is_some(), "see the log in {}", pooler.directory.display());
        pooler
    }

    /// How that database is reached through it.
    pub fn options_of(
        &self,
        database: &Database,
    ) -> tower_sessions_sqlx_store::sqlx::postgres::PgConnectOptions {
        options(&self.directory).database(database.name())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}
