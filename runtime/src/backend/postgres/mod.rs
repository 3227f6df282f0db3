//! [`PostgresBackend`]: sessions and turns on PostgreSQL, for several processes.

mod builder;
mod driver;
mod errors;
mod followed;
mod link;
mod news;
mod node;
mod owners;
mod records;
mod schema;
mod turns;
mod wire;
mod writer;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use sqlx::PgPool;

pub use self::builder::PostgresBackendBuilder;
use self::{builder::Options, driver::Driver};
use super::{
    Action, Answer, Backend, BackendError, Commit, Hearing, HiddenId, Lease, Line, Load, Loaded, Owned,
    Owners, Registry, SessionId,
};
use crate::session::key::SessionKey;

/// Sessions and turns on PostgreSQL 13 or newer, for several processes (nodes), through a pool that the application has
/// already. Feature `postgres`; sqlx 0.8.
///
/// ```no_run
/// use socketioxide_session::{PostgresBackend, SessionLayer};
///
/// # async fn run(pool: sqlx::PgPool) -> Result<(), socketioxide_session::backend::BackendError> {
/// let backend = PostgresBackend::new(pool);
/// backend.migrate().await?;
/// let layer = SessionLayer::new(backend);
/// # Ok(())
/// # }
/// ```
///
/// | operation | round trips |
/// | --- | --- |
/// | a read | one (two where there is no such session) |
/// | taking the turns of a handler, all or none, and loading | one, if they are free |
/// | committing and ending the turns, another owner or another id too | one; another one each time that a plain `Session` wrote the same value meanwhile |
/// | ending the turns without a write | one |
/// | calls that queue up in one process | those that write the same states share them: at most 64 go one after the other under one lease, and commit together |
///
/// # Turns across processes
///
/// A turn is a lease on one state of one session. Within a process calls wait in the local queue, and only its head asks
/// PostgreSQL, where it has a row in the line. It waits in this process, on no connection, and is woken by a `NOTIFY`. The
/// lease is renewed every third of [`with_lease`](PostgresBackendBuilder::with_lease) while the handler runs. If its process
/// dies, the turn passes on when the lease ends; a holder that slept past its lease is refused
/// ([`TurnLost`](crate::ErrorKind::TurnLost)). The tables of turns are unlogged: a crash of the server ends all leases, and
/// who had one is refused. PostgreSQL's clock alone counts.
///
/// # Connections
///
/// Calls use the pool. One connection beside it listens, with the options that the pool has whenever it connects; behind
/// [a pooler](PostgresBackendBuilder::with_pooler) give it [a direct one](PostgresBackendBuilder::with_listener), or
/// [poll](PostgresBackendBuilder::with_polling). A `NOTIFY` takes a lock of the whole instance at its commit; so one is sent only where another node waits for that turn,
/// follows that session, or must hear of an end.
///
/// Every call has an end: [`with_timeout`](PostgresBackendBuilder::with_timeout). Within it a lost connection, a deadlock or
/// a failed serialization is tried again. A commit carries a token, so that a second sending is not a second commit; where
/// it cannot be found out whether it took place, the error is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
///
/// Where `default_transaction_isolation` is not `read committed`, each call is a transaction that says so: three round trips.
///
/// What is acknowledged is as durable as the server's `synchronous_commit` says. Who fails over to a replica that did not
/// have the last commits loses them. Expired sessions are removed
/// [once a minute](PostgresBackendBuilder::with_cleanup).
#[derive(Clone)]
pub struct PostgresBackend {
    pool: PgPool,
    options: Options,
    registry: Registry,
    /// Begun at the first use.
    driver: Arc<OnceLock<Arc<Driver>>>,
}

impl fmt::Debug for PostgresBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options of the connections may hold a password.
        f.debug_struct("PostgresBackend").field("schema", &self.options.schema).finish_non_exhaustive()
    }
}

impl PostgresBackend {
    /// With the default options, in the schema `socketioxide_session`.
    pub fn new(pool: PgPool) -> Self {
        Self::of(pool, Options::default())
    }

    /// Takes the options first.
    pub fn builder(pool: PgPool) -> PostgresBackendBuilder {
        PostgresBackendBuilder::new(pool)
    }

    fn of(pool: PgPool, options: Options) -> Self {
        Self { pool, options, registry: Registry::among_nodes(), driver: Arc::default() }
    }

    /// Makes the schema, its tables and functions, if they are not there. Nodes may do so at one moment.
    ///
    /// # Errors
    ///
    /// [`BackendError::Failed`] if PostgreSQL refuses, or the tables are those of another version of this crate.
    ///
    /// # Cancel safety
    ///
    /// One transaction: a dropped future leaves nothing behind.
    pub async fn migrate(&self) -> Result<(), BackendError> {
        schema::migrate(&self.pool, &self.options.schema).await
    }

    fn driver(&self) -> &Arc<Driver> {
        let new = || Arc::new(Driver::new(self.pool.clone(), &self.options, self.registry.clone()));
        let driver = self.driver.get_or_init(new);
        driver.be_tended();
        driver
    }
}

impl Owners for PostgresBackend {
    fn find(&self, key: &SessionKey) -> Answer<Result<Option<SessionId>, BackendError>> {
        let (driver, key) = (Arc::clone(self.driver()), key.clone());
        Answer::pending(async move { driver.index.find(&key).await })
    }

    fn owned_by(&self, owner: &str, skip: usize, most: usize) -> Answer<Result<Vec<Owned>, BackendError>> {
        let (driver, owner) = (Arc::clone(self.driver()), owner.to_owned());
        Answer::pending(async move { driver.index.owned_by(&owner, skip, most).await })
    }

    fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        self.driver().stands_for(id)
    }
}

impl Backend for PostgresBackend {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>> {
        let driver = self.driver();
        if let Some(loaded) = driver.at_hand(id, load) {
            return Answer::Ready(Ok(Some(loaded)));
        }
        let driver = Arc::clone(driver);
        Answer::pending(async move { driver.load(id, load).await })
    }

    fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>> {
        let relays = Arc::clone(&self.driver().relays);
        Answer::pending(async move {
            if commit.action != Action::Update {
                relays.settle(commit.id).await;
            }
            relays.commit(&commit).await
        })
    }

    fn commit_in_line(&self, commit: Commit, line: Line) -> Answer<Result<(), BackendError>> {
        let relays = Arc::clone(&self.driver().relays);
        Answer::pending(async move { relays.commit_in_line(commit, &line).await })
    }

    fn listen(&self, id: SessionId) -> Answer<Result<Hearing, BackendError>> {
        let driver = Arc::clone(self.driver());
        Answer::pending(async move { driver.listen(id).await })
    }

    fn owners(&self) -> Option<&dyn Owners> {
        Some(self)
    }

    fn release(&self, id: SessionId, lease: Lease) -> Answer<()> {
        let relays = Arc::clone(&self.driver().relays);
        Answer::pending(async move { relays.release(id, lease).await })
    }
}
