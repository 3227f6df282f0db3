//! The schema: its name, its tables and functions, and of which version they are.

use sqlx::{Connection as _, Error, Executor as _, PgConnection, PgPool};

use super::errors::{Tried, explain};
use crate::backend::BackendError;

/// Of the tables that this build writes.
const VERSION: i32 = 1;

/// So that the names of channels stay below PostgreSQL's 63 bytes.
const LONGEST: usize = 40;

/// Two nodes that migrate at one moment go one after the other under this advisory lock.
const MIGRATING: i64 = 0x7365_7373_696f_6e73;

/// The name of the schema.
#[derive(Clone, Debug)]
pub(super) struct Schema(String);

impl Default for Schema {
    fn default() -> Self {
        Self("socketioxide_session".to_owned())
    }
}

impl Schema {
    /// Lower case letters, digits and `_`, so that it means the same everywhere.
    pub(super) fn parse(name: &str) -> Result<Self, BackendError> {
        let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        let of = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if begins && name.chars().all(of) && name.len() <= LONGEST && !name.starts_with("pg_") {
            return Ok(Self(name.to_owned()));
        }
        Err(BackendError::failed(
            "the name of a schema has 1 to 40 lower case letters, digits and `_`, the first of them no digit, and does \
             not begin with `pg_`",
        ))
    }

    /// The channel on which all nodes hear.
    pub(super) fn channel(&self) -> String {
        format!("sxs_{}", self.0)
    }

    /// The channel on which one node hears.
    pub(super) fn node_channel(&self, node: &str) -> String {
        format!("sxs_{}_{node}", self.0)
    }

    /// A text with the schema's name where it says `{s}`, and the channel's for `{c}`.
    pub(super) fn name_in(&self, text: &str) -> String {
        text.replace("{s}", &format!("\"{}\"", self.0)).replace("{c}", &self.channel())
    }
}

/// How the server treats the connections of the pool.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    /// Statements see what was committed before each of them, unless they ask for something else.
    pub(super) is_read_committed: bool,
}

async fn version(connection: &mut PgConnection, schema: &Schema) -> Result<Option<i32>, Error> {
    let text = schema.name_in("SELECT version FROM {s}.version");
    sqlx::query_scalar(&text).persistent(false).fetch_optional(connection).await
}

async fn settings(connection: &mut PgConnection) -> Result<Settings, Error> {
    let isolation = sqlx::query_scalar::<_, String>("SELECT current_setting('transaction_isolation')");
    let isolation = isolation.persistent(false).fetch_one(connection).await?;
    // What is called uncommitted is the same to PostgreSQL.
    Ok(Settings { is_read_committed: isolation.starts_with("read ") })
}

/// Whether the tables are those of this build; and what else must be known before the first call.
pub(super) async fn check(connection: &mut PgConnection, schema: &Schema) -> Result<Settings, Tried> {
    // A transaction, so that it goes through a pooler, too.
    let mut transaction = connection.begin().await.map_err(Tried::Before)?;
    let found = version(&mut transaction, schema).await.map_err(Tried::Before)?;
    let settings = settings(&mut transaction).await.map_err(Tried::Before)?;
    transaction.commit().await.map_err(Tried::Before)?;
    same(found).map_err(Tried::Refused)?;
    Ok(settings)
}

fn same(found: Option<i32>) -> Result<(), BackendError> {
    match found {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(BackendError::failed(
            "the tables were made by a newer version of socketioxide-session: use that one on all nodes",
        )),
        Some(_) => Err(BackendError::failed(
            "the tables are those of an older version of socketioxide-session: call `PostgresBackend::migrate()`",
        )),
        None => Err(BackendError::failed(
            "the schema's table `version` is empty: its tables are not what `PostgresBackend::migrate()` made",
        )),
    }
}

/// Whether all is there that was made.
async fn is_whole(connection: &mut PgConnection, schema: &Schema) -> Result<(), BackendError> {
    let made = include_str!("schema.sql").lines().filter(|line| line.starts_with("CREATE "));
    let names = made.filter_map(|line| line.split_once("{s}.")?.1.split([' ', '(']).next());
    let names: Vec<_> = names.map(str::to_owned).collect();
    let missing = sqlx::query_scalar::<_, String>(
        "SELECT name FROM unnest($1) name, (SELECT oid FROM pg_namespace WHERE nspname = $2) s \
         WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = s.oid AND c.relname = name) \
         AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = s.oid AND p.proname = name) LIMIT 1",
    );
    let missing = missing.persistent(false).bind(names).bind(&schema.0).fetch_optional(connection).await;
    match missing.map_err(|error| BackendError::Failed(explain(error)))? {
        None => Ok(()),
        Some(name) => Err(BackendError::failed(format!(
            "`{name}`, which `PostgresBackend::migrate()` made, is not in the schema any more: drop the schema and migrate \
             again, which ends all sessions"
        ))),
    }
}

/// Makes what is not there yet.
pub(super) async fn migrate(pool: &PgPool, schema: &Schema) -> Result<(), BackendError> {
    let failed = |error| BackendError::Failed(explain(error));
    let mut transaction = pool.begin().await.map_err(failed)?;
    // However brief the server would have it: another node may be at it.
    (&mut *transaction)
        .execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        .await
        .map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .persistent(false)
        .bind(MIGRATING)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let there = schema.name_in("SELECT to_regclass('{s}.version') IS NOT NULL");
    let there: bool =
        sqlx::query_scalar(&there).persistent(false).fetch_one(&mut *transaction).await.map_err(failed)?;
    if there {
        same(version(&mut transaction, schema).await.map_err(failed)?)?;
        return is_whole(&mut transaction, schema).await;
    }
    let make = schema.name_in(include_str!("schema.sql"));
    // Not by `raw_sql`, whose future is none that can be spawned.
    (&mut *transaction).execute(&*make).await.map_err(failed)?;
    let note = schema.name_in("INSERT INTO {s}.version VALUES ($1)");
    sqlx::query(&note).persistent(false).bind(VERSION).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}
