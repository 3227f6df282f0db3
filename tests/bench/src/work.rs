//! What is compared: kinds of servers, and kinds of work.

use std::str::FromStr;

/// Who keeps the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Nobody: there is none.
    None,
    /// The same once more: what it differs by from [`None`](Self::None) is the noise of the measurement.
    Control,
    /// tower-sessions, by hand: one struct under one key.
    ByHand,
    /// The same with a key for each field.
    ByHandKeys,
    /// This crate on `MemoryBackend`.
    Memory,
    /// The same with a state that has `Clone`.
    MemoryClone,
    /// This crate on `StoreBackend` over tower-sessions' `MemoryStore`.
    Store,
    /// The same where the store is this process's alone.
    Exclusive,
    /// tower-sessions on its store for Redis, by hand.
    RedisByHand,
    /// This crate on `RedisBackend`.
    Redis,
    /// The same with its read cache.
    RedisCached,
    /// tower-sessions on its store for PostgreSQL, by hand.
    PostgresByHand,
    /// This crate on `PostgresBackend`.
    Postgres,
    /// Node, and nobody keeps a session.
    NodeNone,
    /// Node with express-session and express-socket.io-session.
    Node,
}

/// What a server needs beside this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Redis,
    Postgres,
    Node,
}

/// A kind of server: what it is called, and what it is compared with.
#[derive(Debug)]
struct About {
    name: &'static str,
    title: &'static str,
    needs: Needs,
    /// The same without a session.
    floor: Server,
}

impl Server {
    pub(crate) const ALL: [Self; 15] = [
        Self::None,
        Self::Control,
        Self::ByHand,
        Self::ByHandKeys,
        Self::Memory,
        Self::MemoryClone,
        Self::Store,
        Self::Exclusive,
        Self::RedisByHand,
        Self::Redis,
        Self::RedisCached,
        Self::PostgresByHand,
        Self::Postgres,
        Self::NodeNone,
        Self::Node,
    ];

    const fn about(self) -> About {
        let (name, title, needs, floor) = match self {
            Self::None => ("none", "no session", Needs::Nothing, Self::None),
            Self::Control => ("control", "no session, again", Needs::Nothing, Self::None),
            Self::ByHand => ("by-hand", "by hand", Needs::Nothing, Self::None),
            Self::ByHandKeys => ("by-hand-keys", "by hand, a key for each field", Needs::Nothing, Self::None),
            Self::Memory => ("memory", "`MemoryBackend`", Needs::Nothing, Self::None),
            Self::MemoryClone => {
                ("memory-clone", "`MemoryBackend`, a state with `Clone`", Needs::Nothing, Self::None)
            }
            Self::Store => ("store", "`StoreBackend`", Needs::Nothing, Self::None),
            Self::Exclusive => ("exclusive", "`StoreBackend::exclusive`", Needs::Nothing, Self::None),
            Self::RedisByHand => ("redis-by-hand", "by hand, Redis", Needs::Redis, Self::None),
            Self::Redis => ("redis", "`RedisBackend`", Needs::Redis, Self::None),
            Self::RedisCached => ("redis-cached", "`RedisBackend`, read cache", Needs::Redis, Self::None),
            Self::PostgresByHand => ("postgres-by-hand", "by hand, PostgreSQL", Needs::Postgres, Self::None),
            Self::Postgres => ("postgres", "`PostgresBackend`", Needs::Postgres, Self::None),
            Self::NodeNone => ("node-none", "Node, no session", Needs::Node, Self::NodeNone),
            Self::Node => ("node", "Node, autoSave", Needs::Node, Self::NodeNone),
        };
        About { name, title, needs, floor }
    }

    pub(crate) fn name(self) -> &'static str {
        self.about().name
    }

    pub(crate) fn title(self) -> &'static str {
        self.about().title
    }

    pub(crate) fn needs(self) -> Needs {
        self.about().needs
    }

    pub(crate) fn floor(self) -> Self {
        self.about().floor
    }

    /// Whether its count tells how many writes took place.
    pub(crate) fn counts(self) -> bool {
        !matches!(self, Self::None | Self::Control | Self::NodeNone)
    }
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    EventRead,
    /// Sixteen events of each socket at a time.
    EventRead16,
    EventWrite,
    EventWrite16,
    /// A request that has a session and does not use it.
    HttpIdle,
    HttpRead,
    HttpWrite,
}

impl Work {
    pub(crate) const ALL: [Self; 7] = [
        Self::EventRead,
        Self::EventRead16,
        Self::EventWrite,
        Self::EventWrite16,
        Self::HttpIdle,
        Self::HttpRead,
        Self::HttpWrite,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EventRead => "event-read",
            Self::EventRead16 => "event-read-16",
            Self::EventWrite => "event-write",
            Self::EventWrite16 => "event-write-16",
            Self::HttpIdle => "http-idle",
            Self::HttpRead => "http-read",
            Self::HttpWrite => "http-write",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::EventRead => "event that reads",
            Self::EventRead16 => "event that reads, 16 in flight",
            Self::EventWrite => "event that writes",
            Self::EventWrite16 => "event that writes, 16 in flight",
            Self::HttpIdle => "HTTP request that uses no session",
            Self::HttpRead => "HTTP request that reads",
            Self::HttpWrite => "HTTP request that writes",
        }
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::EventWrite | Self::EventWrite16 | Self::HttpWrite)
    }

    /// Over sockets: the event's name, and how many of a socket's are in flight.
    pub(crate) fn event(self) -> Option<(&'static str, usize)> {
        match self {
            Self::EventRead => Some(("read", 1)),
            Self::EventRead16 => Some(("read", 16)),
            Self::EventWrite => Some(("write", 1)),
            Self::EventWrite16 => Some(("write", 16)),
            Self::HttpIdle | Self::HttpRead | Self::HttpWrite => None,
        }
    }
}

/// No such server, or no such work.
#[derive(Debug)]
pub(crate) struct Unknown;

impl FromStr for Server {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|server| server.name() == name).ok_or(Unknown)
    }
}

impl FromStr for Work {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|work| work.name() == name).ok_or(Unknown)
    }
}
