//! The options of a backend, and the builder that takes them before it connects.

use std::{fmt, time::Duration};

use super::{
    RedisBackend,
    wire::{
        link::{Failure, Link},
        millis::LONGEST,
        source::Source,
    },
};
use crate::backend::{BackendError, Registry};

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) prefix: String,
    pub(super) lease: Duration,
    pub(super) timeout: Duration,
    pub(super) cut_off: Duration,
    pub(super) max_value_size: usize,
    /// How many sessions are kept that were read; 0 if none are.
    pub(super) read_cache: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "session:".to_owned(),
            lease: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            cut_off: Duration::from_secs(30),
            max_value_size: 1 << 20,
            read_cache: 0,
        }
    }
}

impl Options {
    pub(super) fn set_lease(&mut self, lease: Duration) {
        self.lease = lease.max(Duration::from_millis(100));
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout.min(Registry::ENDINGS_ARE_REMEMBERED * 2 / 3);
    }

    pub(super) fn set_cut_off(&mut self, cut_off: Duration) {
        self.cut_off = cut_off.clamp(Duration::from_secs(1), LONGEST);
    }

    /// Whether all of them can be had there.
    pub(super) fn check(&self, source: &Source) -> Result<(), BackendError> {
        if self.read_cache > 0 && source.is_cluster() {
            return Err(BackendError::failed("there is no read cache in a Redis Cluster"));
        }
        Ok(())
    }
}

/// Takes the options of a [`RedisBackend`], then connects: see [`RedisBackend::builder`].
#[derive(Clone)]
#[must_use = "nothing is connected before `connect`"]
pub struct RedisBackendBuilder {
    address: Address,
    options: Options,
}

#[derive(Clone)]
enum Address {
    One(String),
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<String>),
}

impl fmt::Debug for RedisBackendBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("RedisBackendBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl RedisBackendBuilder {
    pub(super) fn of_one(url: &str) -> Self {
        Self { address: Address::One(url.to_owned()), options: Options::default() }
    }

    #[cfg(feature = "redis-cluster")]
    pub(super) fn of_cluster(urls: Vec<String>) -> Self {
        Self { address: Address::Cluster(urls), options: Options::default() }
    }

    /// What the names of all keys and channels begin with. Default: `session:`. Applications that share a Redis need
    /// different ones.
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|options| options.prefix = prefix.into())
    }

    /// How long a turn outlives a process that died with it. Default: 10 seconds; at least 100 milliseconds.
    ///
    /// A process that stops for longer than this (or is cut off from Redis) while a handler has a turn loses the turn,
    /// and its commit is refused.
    pub fn with_lease(self, lease: Duration) -> Self {
        self.with(|options| options.set_lease(lease))
    }

    /// The longest time that a call to Redis takes, with all its tries. Default: 5 seconds; at most 20 seconds, because
    /// commits are remembered a little longer than that.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.set_timeout(timeout))
    }

    /// A node that has not heard from Redis for this long disconnects its sockets, because it cannot know whether their
    /// sessions live. Default: 30 seconds; at least one second.
    ///
    /// It sends itself a message through Redis six times in this span, to know whether it would hear others; and asks
    /// twice for the sessions of its sockets, to disconnect those whose session went without a word.
    pub fn with_cut_off(self, cut_off: Duration) -> Self {
        self.with(|options| options.set_cut_off(cut_off))
    }

    /// The largest value, in bytes of JSON, that is stored under one key. Default: 1 MiB. A commit with a larger one
    /// is refused.
    pub fn with_max_value_size(self, bytes: usize) -> Self {
        self.with(|options| options.max_value_size = bytes)
    }

    /// Keeps this many of the sessions that were read lately (at least two), so that a handler that reads a state costs
    /// no round trip while nobody writes to the session. Default: 0, which keeps none. Not in a cluster, where each
    /// node would have to be listened to: [`connect`](Self::connect) fails.
    ///
    /// Redis tells of each change (client-side caching, which needs RESP3 and the right to call `CLIENT`). How stale a
    /// read can be:
    ///
    /// - Not at all within this process: what it committed, or saw of another's commits, every later read sees.
    /// - A read can lag another node's commit by as long as Redis's message takes: usually the latency of the network.
    /// - If the connection is dead and nothing says so, by 2 seconds at most: Redis is asked every half second, and
    ///   what is kept is used only for 2 seconds after a question that was answered.
    ///
    /// Handlers that write always take their turns and load from Redis; so does a check whether a session lives (a
    /// connect handler without a state, say). A session past its expiry is never read from what is kept. When the
    /// connection is lost, all that is kept goes, and nothing is kept until there is a new one. Where Redis refuses to
    /// tell of changes, a warning is logged and each read asks Redis.
    ///
    /// The values that were read are kept decoded: how much memory they need, the application knows.
    pub fn with_read_cache(self, sessions: usize) -> Self {
        self.with(|options| options.read_cache = sessions)
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Connects, and finds out whether Redis answers.
    ///
    /// # Errors
    ///
    /// [`BackendError::Failed`] if an address is not valid, nobody answers there within
    /// [`with_timeout`](Self::with_timeout), or a [read cache](Self::with_read_cache) is wanted in a cluster.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves nothing behind.
    pub async fn connect(self) -> Result<RedisBackend, BackendError> {
        let source = match &self.address {
            Address::One(url) => Source::open(url),
            #[cfg(feature = "redis-cluster")]
            Address::Cluster(urls) => Source::open_cluster(urls),
        };
        let source = source.map_err(BackendError::failed)?;
        self.options.check(&source)?;
        Link::new(source.clone(), self.options.timeout, None).ping().await.map_err(Failure::failed)?;
        Ok(RedisBackend::new(source, self.options))
    }
}
