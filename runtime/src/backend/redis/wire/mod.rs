//! What travels between this process and Redis: connections with their time-outs and retries, the names of keys and
//! channels, and the scripts with their arguments and answers.
//!
//! Uses the `redis` crate and the types of [`backend`](crate::backend). Never knows what a session's values mean,
//! which turns this process holds, or who hears the news.

pub(crate) mod link;
pub(crate) mod millis;
pub(crate) mod names;
pub(crate) mod scripts;
pub(crate) mod source;
pub(crate) mod tracking;

use self::{
    link::Link,
    names::{SessionKeys, unique},
};
use crate::session::id::{HiddenId, SessionId};

/// The connection of this node, and the names by which it and its sessions go there.
pub(crate) struct Wire {
    pub(crate) link: Link,
    /// What all names begin with.
    pub(crate) prefix: String,
    /// This process's name among the others.
    pub(crate) node: String,
}

impl Wire {
    pub(crate) fn new(link: Link, prefix: String) -> Self {
        Self { link, prefix, node: unique() }
    }

    pub(crate) fn keys(&self, id: SessionId) -> SessionKeys {
        SessionKeys::new(&self.prefix, id)
    }

    /// The channel on which all nodes hear of sessions that ended or changed their id.
    pub(crate) fn events_channel(&self) -> String {
        format!("{}events", self.prefix)
    }

    /// The channel on which those who follow a session hear of its commits.
    pub(crate) fn session_channel(&self, hidden: HiddenId) -> String {
        format!("{}live:{hidden}", self.prefix)
    }

    /// The channel on which this node alone hears, that a turn of a call of its has come.
    pub(crate) fn node_channel(&self) -> String {
        format!("{}node:{}", self.prefix, self.node)
    }
}
