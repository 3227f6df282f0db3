//! What is compared: kinds of servers, and kinds of work.

use std::str::FromStr;

/// Who keeps the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Nobody: there is none.
    None,
    /// The same once more: what it differs by from [`None`](Self::None) is the noise of the measurement.
    Control,
    /// tower-sessions, by hand.
    ByHand,
    /// This crate on `MemoryBackend`.
    Memory,
    /// This crate on `StoreBackend` over tower-sessions' `MemoryStore`.
    Store,
}

impl Server {
    pub(crate) const ALL: [Self; 5] = [Self::None, Self::Control, Self::ByHand, Self::Memory, Self::Store];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Control => "control",
            Self::ByHand => "by-hand",
            Self::Memory => "memory",
            Self::Store => "store",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::None => "no session",
            Self::Control => "no session, again",
            Self::ByHand => "by hand",
            Self::Memory => "MemoryBackend",
            Self::Store => "StoreBackend",
        }
    }

    /// Whether its count tells how many writes took place.
    pub(crate) fn counts(self) -> bool {
        !matches!(self, Self::None | Self::Control)
    }
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    EventRead,
    EventWrite,
    /// Sixteen events of each socket at a time.
    EventWrite16,
    HttpRead,
    HttpWrite,
}

impl Work {
    pub(crate) const ALL: [Self; 5] =
        [Self::EventRead, Self::EventWrite, Self::EventWrite16, Self::HttpRead, Self::HttpWrite];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EventRead => "event-read",
            Self::EventWrite => "event-write",
            Self::EventWrite16 => "event-write-16",
            Self::HttpRead => "http-read",
            Self::HttpWrite => "http-write",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::EventRead => "event that reads",
            Self::EventWrite => "event that writes",
            Self::EventWrite16 => "event that writes, 16 in flight",
            Self::HttpRead => "HTTP request that reads",
            Self::HttpWrite => "HTTP request that writes",
        }
    }

    pub(crate) fn writes(self) -> bool {
        !matches!(self, Self::EventRead | Self::HttpRead)
    }

    /// Over sockets: the event's name, and how many of a socket's are in flight.
    pub(crate) fn event(self) -> Option<(&'static str, usize)> {
        match self {
            Self::EventRead => Some(("read", 1)),
            Self::EventWrite => Some(("write", 1)),
            Self::EventWrite16 => Some(("write", 16)),
            Self::HttpRead | Self::HttpWrite => None,
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
