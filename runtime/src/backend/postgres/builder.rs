//! The options of a backend, and the builder that takes them.

use std::{fmt, time::Duration};

use sqlx::{PgPool, postgres::PgConnectOptions};

use super::{PostgresBackend, schema::Schema};
use crate::backend::{BackendError, Registry, millis::LONGEST};

#[derive(Clone)]
pub(super) struct Options {
    pub(super) schema: Schema,
    pub(super) lease: Duration,
    pub(super) timeout: Duration,
    pub(super) cut_off: Duration,
    pub(super) max_value_size: usize,
    pub(super) listener: Option<Box<PgConnectOptions>>,
    pub(super) polling: Option<Duration>,
    pub(super) is_pooled: bool,
    pub(super) cleanup: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: Schema::default(),
            lease: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            cut_off: Duration::from_secs(30),
            max_value_size: 1 << 20,
            listener: None,
            polling: None,
            is_pooled: false,
            cleanup: Duration::from_mins(1),
        }
    }
}

/// Takes the options of a [`PostgresBackend`]: see [`PostgresBackend::builder`].
#[derive(Clone)]
#[must_use = "it is no backend before `build`"]
pub struct PostgresBackendBuilder {
    pool: PgPool,
    schema: String,
    options: Options,
}

impl fmt::Debug for PostgresBackendBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options of the connections may hold a password.
        f.debug_struct("PostgresBackendBuilder").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PostgresBackendBuilder {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, schema: "socketioxide_session".to_owned(), options: Options::default() }
    }

    /// The schema of the tables. Default: `socketioxide_session`. 1 to 40 lower case letters, digits and `_`.
    /// Applications that share a database need different ones.
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// How long a turn outlives a process that died with it. Default: 10 seconds; at least 100 milliseconds.
    ///
    /// A process that stops for longer than this (or is cut off from PostgreSQL) while a handler has a turn loses the
    /// turn, and its commit is refused.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease.clamp(Duration::from_millis(100), LONGEST);
        self
    }

    /// The longest time that a call to PostgreSQL takes, with all its tries and the wait for a connection of the pool.
    /// Default: 5 seconds; at most two thirds of [`Registry::ENDINGS_ARE_REMEMBERED`].
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout.min(Registry::ENDINGS_ARE_REMEMBERED * 2 / 3);
        self
    }

    /// A node that has not heard from PostgreSQL for this long disconnects its sockets, because it cannot know whether
    /// their sessions live. Default: 30 seconds; at least one second.
    ///
    /// It says six times in this span that it lives, and asks twice for the sessions of its sockets.
    pub fn with_cut_off(mut self, cut_off: Duration) -> Self {
        self.options.cut_off = cut_off.clamp(Duration::from_secs(1), LONGEST);
        self
    }

    /// The largest value, in bytes of JSON, that is stored under one key. Default: 1 MiB. A commit with a larger one
    /// is refused.
    pub fn with_max_value_size(mut self, bytes: usize) -> Self {
        self.options.max_value_size = bytes;
        self
    }

    /// The pool goes through a pooler that gives each transaction another connection, as `PgBouncer` in transaction mode
    /// does. Each call is then a transaction with a statement prepared in it: four round trips. Default: it does not.
    ///
    /// `LISTEN` does not pass such a pooler: give [a direct connection](Self::with_listener), too, or
    /// [poll](Self::with_polling).
    pub fn with_pooler(mut self) -> Self {
        self.options.is_pooled = true;
        self
    }

    /// By which the node connects on which it listens for others. Default: as the pool connects. Where the pool goes
    /// through [a pooler](Self::with_pooler), `LISTEN` needs a direct connection: give its options here.
    pub fn with_listener(mut self, options: PgConnectOptions) -> Self {
        self.options.listener = Some(Box::new(options));
        self
    }

    /// Listens to nobody; looks instead, so often (at least every 10 milliseconds): for where there is no direct connection
    /// to PostgreSQL, but only one through [a pooler](Self::with_pooler).
    ///
    /// That sockets are disconnected, live states are sent, and a turn passes on to another node, then takes this much
    /// longer at most.
    pub fn with_polling(mut self, every: Duration) -> Self {
        self.options.polling = Some(every.clamp(Duration::from_millis(10), LONGEST));
        self
    }

    /// How often what has expired is removed, 500 sessions at a time. Default: once a minute; at least 100 milliseconds.
    /// No session is read past its expiry, whenever its row goes. Any number of nodes may do so.
    pub fn with_cleanup(mut self, every: Duration) -> Self {
        self.options.cleanup = every.clamp(Duration::from_millis(100), LONGEST);
        self
    }

    /// The backend. It connects at its first use.
    ///
    /// # Errors
    ///
    /// [`BackendError::Failed`] if the name of the schema is none that is [allowed](Self::with_schema).
    pub fn build(self) -> Result<PostgresBackend, BackendError> {
        let Self { pool, schema, mut options } = self;
        options.schema = Schema::parse(&schema)?;
        Ok(PostgresBackend::of(pool, options))
    }
}
