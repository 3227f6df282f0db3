//! Sessions and turns on Redis (or Valkey): for as many processes and machines as an application needs.
//!
//! Each room uses only those above it:
//!
//! | room | what it knows |
//! | --- | --- |
//! | `wire` | what travels: connections, the names of keys and channels, scripts |
//! | `node` | what this process knows of sessions and their sockets; alone names its registry |
//! | `records` | sessions as they stand in Redis: read, kept, written, moved to a new id |
//! | `turns` | turns across processes, and calls that go one after the other under one lease |
//! | `followed` | the sessions whose commits are heard here |
//! | `index` | sessions by their keys and owners |
//! | `news` | what nodes tell each other |
//! | `driver`, `builder` | how the rooms are put together, and with which options |

mod builder;
mod driver;
mod followed;
mod index;
mod news;
mod node;
mod records;
mod turns;
mod wire;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::Client;

pub use self::builder::RedisBackendBuilder;
#[cfg(feature = "redis-cluster")]
use self::wire::source::Cluster;
use self::{builder::Options, driver::Driver, index::Index, wire::source::Source};
use super::{
    Action, Answer, Backend, BackendError, Commit, Hearing, Lease, Line, Load, Loaded, Owned, Owners,
};
use crate::{
    process::Registry,
    session::{
        id::{HiddenId, SessionId},
        key::SessionKey,
    },
};

/// Keeps sessions and turns on Redis 6.2 or later, or Valkey: any number of processes on any number of machines
/// share them. Feature `redis`.
///
/// ```no_run
/// use socketioxide_session::{RedisBackend, SessionLayer};
///
/// # async fn run() -> Result<(), socketioxide_session::backend::BackendError> {
/// let backend = RedisBackend::connect("redis://127.0.0.1/").await?;
/// let layer = SessionLayer::new(backend);
/// # Ok(())
/// # }
/// ```
///
/// Options are taken by [`builder`](Self::builder). Cheap to clone; clones share the connection.
///
/// # What is stored
///
/// A session is one hash, whose key is made from a hash of its id (an id stands nowhere in clear), and which expires
/// natively. A state or another value is one field, as JSON. A commit writes the fields that changed and nothing
/// else, in one script, together with the check that the session exists and the turn is still held.
///
/// An owner and a label stand in fields of their own. Beside the sessions there is a sorted set of public keys for each owner
/// (its name is a hash of the owner), and for each session whose id has changed a pointer under its public key, so that
/// [`Sessions`](crate::Sessions) finds it. Both are written before the session is, and last for 400 days after a login or a
/// change of id, as long as browsers keep a cookie; a session that has kept one id for longer is found by its key and its
/// owner no more. Whoever lists an owner's sessions takes out of the set what is gone.
///
/// | operation | round trips |
/// | --- | --- |
/// | a read | one (two where there is no such session); none if it is in the [read cache](RedisBackendBuilder::with_read_cache) |
/// | taking the turns of a handler, all or none, and loading | one, if they are free |
/// | committing and ending the turns | one; another one each time that a plain `Session` wrote the same value meanwhile |
/// | ending the turns without a write | one |
/// | another owner or another id | one more for the pointer, one for the set, and one to read whose it was |
/// | sixteen events in flight that write the same states | two to five for all: see below |
///
/// # Turns across processes
///
/// A turn is a lease on one state of one session. Within a process calls wait in the local queue, and only its head
/// asks Redis. There it waits in line with the heads of other processes, first come, first served, and is woken by a
/// message. The lease is renewed every third of [`with_lease`](RedisBackendBuilder::with_lease) while the handler runs, at most for
/// [`SessionLayer::with_turn_limit`](crate::SessionLayer::with_turn_limit). If its process dies, the turn passes on
/// when the lease ends. Each lease bears the name of its call, which Redis compares at the commit: a
/// holder that slept past its lease is refused ([`TurnLost`](crate::ErrorKind::TurnLost)), and nothing is overwritten.
///
/// Calls that wait in one process and write the very same states (and read no other) have their turns one after the
/// other under one lease, each with what the one before it leaves: nobody asks Redis in between, and what they commit
/// travels together. Each is answered after its own data is in, and none waits for a slow one behind it. If a commit
/// fails, the calls after it saw what was never saved: they fail, too, also those that changed nothing, and nothing of
/// theirs is written. A call never misses what was written before it came. So that other processes get their turns, at
/// most 64 calls share a lease; none joins after half of it (or of the turn limit, if that is less); and once a commit
/// finds another process in line, none that comes after that.
///
/// Redis's clock is the only one that counts for leases. For the expiry of sessions the clocks of all machines should
/// agree within a second or so.
///
/// # When the connection or Redis fails
///
/// Every call has an end: [`with_timeout`](RedisBackendBuilder::with_timeout). Within it a lost connection is replaced and the call
/// sent again. A commit carries a token, so that a second sending is not a second commit; where it cannot be found
/// out whether it took place, the error is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). A Redis that is
/// full (`OOM`), read-only, or refuses otherwise: [`Backend`](crate::ErrorKind::Backend) with Redis's own words as
/// its source, and nothing is written. Nothing must be restarted when Redis is back.
///
/// A session that ends or changes its id on one node loses its sockets on all, whatever adapter socketioxide uses. Each
/// node also asks twice in [`with_cut_off`](RedisBackendBuilder::with_cut_off) for the sessions of its sockets, for nobody
/// tells of those that were deleted, evicted or flushed. A
/// node whose connection was lost looks at all its sockets' sessions when it is back. One that was cut off for
/// longer than [`with_cut_off`](RedisBackendBuilder::with_cut_off) disconnects its sockets.
///
/// # What Redis itself can lose
///
/// What this crate acknowledges is what a primary acknowledged. Redis replicates asynchronously: a failover can lose
/// the last commits, bring back a session that had just ended, and grant a turn twice for a moment (of the
/// two calls the new primary takes the commit of the one whose lease it knows). `min-replicas-to-write 1` bounds that by
/// `min-replicas-max-lag`. Without `appendfsync always`, so can a crash. Set
/// `maxmemory-policy noeviction`: another one removes sessions or leases under pressure.
#[derive(Clone)]
pub struct RedisBackend {
    source: Source,
    options: Options,
    registry: Registry,
    /// Begun at the first use, when all options are known.
    driver: Arc<OnceLock<Arc<Driver>>>,
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's address may hold a password.
        f.debug_struct("RedisBackend").field("options", &self.options).finish_non_exhaustive()
    }
}

impl RedisBackend {
    /// Takes the options first, then connects to Redis: `redis://[user:password@]host[:port][/db]`, or `rediss://` with
    /// feature `redis-tls`, which trusts the system's certificates. For others, or a client certificate, give
    /// [`from_client`](Self::from_client) a client that `redis::Client::build_with_tls` made. rustls asks the application to
    /// choose its cryptography, once: `socketioxide_session::rustls::crypto::ring::default_provider().install_default()`.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use socketioxide_session::{RedisBackend, SessionLayer};
    ///
    /// # async fn run() -> Result<(), socketioxide_session::backend::BackendError> {
    /// let backend = RedisBackend::builder("redis://127.0.0.1/")
    ///     .with_prefix("shop:")
    ///     .with_lease(Duration::from_secs(5))
    ///     .with_read_cache(10_000)
    ///     .connect()
    ///     .await?;
    /// let layer = SessionLayer::new(backend);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(url: impl AsRef<str>) -> RedisBackendBuilder {
        RedisBackendBuilder::of_one(url.as_ref())
    }

    /// Takes the options first, then connects to a Redis Cluster, some of whose nodes have these addresses. Feature
    /// `redis-cluster`.
    ///
    /// All keys of a session are in one slot. A change of id moves it to another one, which takes three round trips;
    /// while they are under way (or, if the process dies in between, for 15 seconds) other commits of that session
    /// wait.
    #[cfg(feature = "redis-cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
    pub fn cluster_builder<T: AsRef<str>>(urls: impl IntoIterator<Item = T>) -> RedisBackendBuilder {
        RedisBackendBuilder::of_cluster(urls.into_iter().map(|url| url.as_ref().to_owned()).collect())
    }

    /// Connects with the default options: a short form of [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// As [`RedisBackendBuilder::connect`].
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, BackendError> {
        Self::builder(url).connect().await
    }

    /// Connects to a Redis Cluster with the default options: a short form of
    /// [`cluster_builder`](Self::cluster_builder). Feature `redis-cluster`.
    ///
    /// # Errors
    ///
    /// As [`RedisBackendBuilder::connect`].
    #[cfg(feature = "redis-cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
    pub async fn connect_cluster<T: AsRef<str>>(
        urls: impl IntoIterator<Item = T>,
    ) -> Result<Self, BackendError> {
        Self::cluster_builder(urls).connect().await
    }

    /// Uses a client that the application has already, such as the one that it gave to `socketioxide-redis`: its
    /// address, credentials and certificates. Connects at the first use; until then options can be set by `with_..`.
    ///
    /// There is no way to lend a connection. A backend listens on one of its own, replaces those that are lost, and
    /// limits its calls itself; and on a shared one each slow or blocking command of the application's would hold up
    /// all sessions, and the renewal of their turns.
    pub fn from_client(client: Client) -> Self {
        Self::new(Source::One(Box::new(client)), Options::default())
    }

    /// Uses a cluster's client that the application has already, such as the one that it gave to
    /// `socketioxide-redis`. Connects at the first use; until then options can be set by `with_..`. Feature
    /// `redis-cluster`.
    ///
    /// `nodes` are clients of some of its nodes, with the same credentials: what nodes tell each other is heard from
    /// one of them, over a connection of its own, because a connection to a whole cluster does not say when messages
    /// were missed. The client must not read from replicas, which may be behind.
    ///
    /// # Errors
    ///
    /// [`BackendError::Failed`] if there are no `nodes`.
    #[cfg(feature = "redis-cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
    pub fn from_cluster_client(
        client: redis::cluster::ClusterClient,
        nodes: impl IntoIterator<Item = Client>,
    ) -> Result<Self, BackendError> {
        let nodes: Vec<_> = nodes.into_iter().collect();
        if nodes.is_empty() {
            return Err(BackendError::failed("at least one node of the cluster must be given to listen to"));
        }
        Ok(Self::new(Source::Cluster(Box::new(Cluster { client, nodes })), Options::default()))
    }

    fn new(source: Source, options: Options) -> Self {
        Self { source, options, registry: Registry::among_nodes(), driver: Arc::default() }
    }

    /// What the names of all keys and channels begin with: see [`RedisBackendBuilder::with_prefix`].
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|options| options.prefix = prefix.into())
    }

    /// How long a turn outlives a process that died with it: see [`RedisBackendBuilder::with_lease`].
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        self.with(|options| options.set_lease(lease))
    }

    /// The longest time that a call to Redis takes: see [`RedisBackendBuilder::with_timeout`].
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.set_timeout(timeout))
    }

    /// After how long without a word from Redis sockets are disconnected: see [`RedisBackendBuilder::with_cut_off`].
    #[must_use]
    pub fn with_cut_off(self, cut_off: Duration) -> Self {
        self.with(|options| options.set_cut_off(cut_off))
    }

    /// The largest value that is stored under one key: see [`RedisBackendBuilder::with_max_value_size`].
    #[must_use]
    pub fn with_max_value_size(self, bytes: usize) -> Self {
        self.with(|options| options.max_value_size = bytes)
    }

    /// Keeps this many of the sessions that were read lately: see [`RedisBackendBuilder::with_read_cache`].
    ///
    /// # Errors
    ///
    /// [`BackendError::Failed`] in a cluster.
    pub fn with_read_cache(self, sessions: usize) -> Result<Self, BackendError> {
        let backend = self.with(|options| options.read_cache = sessions);
        backend.options.check(&backend.source)?;
        Ok(backend)
    }

    /// With other options it is another driver, which connects at its first use.
    fn with(self, change: impl FnOnce(&mut Options)) -> Self {
        let Self { source, mut options, registry, .. } = self;
        change(&mut options);
        Self { source, options, registry, driver: Arc::default() }
    }

    fn driver(&self) -> &Arc<Driver> {
        let driver = self
            .driver
            .get_or_init(|| Arc::new(Driver::new(self.source.clone(), &self.options, self.registry.clone())));
        driver.be_tended();
        driver
    }
}

impl RedisBackend {
    /// The index, where a commit must be noted in it first.
    fn index_for(&self, commit: &Commit) -> Option<Arc<Index>> {
        Index::is_about(commit).then(|| Arc::clone(&self.driver().index))
    }
}

/// Carries out a commit that must be noted in the index first.
async fn noted(
    index: &Arc<Index>,
    commit: Commit,
    carry_out: impl AsyncFnOnce(Commit) -> Result<(), BackendError>,
) -> Result<(), BackendError> {
    let moves = index.note(&commit).await?;
    let done = carry_out(commit).await;
    if let Some(moves) = moves {
        index.conclude(moves, &done);
    }
    done
}

impl Owners for RedisBackend {
    fn find(&self, key: &SessionKey) -> Answer<Result<Option<SessionId>, BackendError>> {
        let (index, key) = (Arc::clone(&self.driver().index), key.clone());
        Answer::pending(async move { index.find(&key).await })
    }

    fn owned_by(&self, owner: &str, skip: usize, most: usize) -> Answer<Result<Vec<Owned>, BackendError>> {
        let (index, owner) = (Arc::clone(&self.driver().index), owner.to_owned());
        Answer::pending(async move { index.owned_by(&owner, skip, most).await })
    }

    fn forget(&self, owner: &str, sessions: Vec<Owned>) -> Answer<Result<usize, BackendError>> {
        let (index, owner) = (Arc::clone(&self.driver().index), owner.to_owned());
        Answer::pending(async move { index.forget(&owner, &sessions).await })
    }

    fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        self.driver().stands_for(id)
    }
}

impl Backend for RedisBackend {
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
        let index = self.index_for(&commit);
        Answer::pending(async move {
            let carry_out = async |commit: Commit| {
                if commit.action != Action::Update {
                    relays.settle(commit.id).await;
                }
                relays.commit(&commit).await
            };
            match index {
                Some(index) => noted(&index, commit, carry_out).await,
                None => carry_out(commit).await,
            }
        })
    }

    fn commit_in_line(&self, commit: Commit, line: Line) -> Answer<Result<(), BackendError>> {
        let relays = Arc::clone(&self.driver().relays);
        let index = self.index_for(&commit);
        Answer::pending(async move {
            let carry_out = async |commit: Commit| relays.commit_in_line(commit, &line).await;
            match index {
                Some(index) => noted(&index, commit, carry_out).await,
                None => carry_out(commit).await,
            }
        })
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
