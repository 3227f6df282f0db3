//! What travels between this process and Redis: connections with their time-outs and retries, the names of keys and
//! channels, and the scripts with their arguments and answers.
//!
//! Uses the `redis` crate and the types of [`backend`](crate::backend). Never knows what a session's values mean,
//! which turns this process holds, or who hears the news.

pub(crate) mod link;
pub(crate) mod names;
pub(crate) mod scripts;
pub(crate) mod source;
pub(crate) mod tracking;

pub(crate) use crate::backend::millis;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use self::{
    link::Link,
    names::{SessionKeys, unique},
};
use crate::{
    backend::aliases::Aliases,
    session::id::{HiddenId, SessionId},
};

/// The connection of this node, and the names by which it and its sessions go there.
pub(crate) struct Wire {
    pub(crate) link: Link,
    /// What all names begin with.
    pub(crate) prefix: String,
    /// This process's name among the others.
    pub(crate) node: String,
    aliases: Aliases,
}

impl Wire {
    pub(crate) fn new(link: Link, prefix: String) -> Self {
        Self { link, prefix, node: unique(), aliases: Aliases::default() }
    }

    pub(crate) fn keys(&self, id: SessionId) -> SessionKeys {
        match self.stands_for(id) {
            Some(hidden) => SessionKeys { is_alias: true, ..SessionKeys::of_hidden(&self.prefix, hidden) },
            None => SessionKeys::of_hidden(&self.prefix, id.hidden()),
        }
    }

    /// What stands for a session in Redis.
    pub(crate) fn hidden(&self, id: SessionId) -> HiddenId {
        self.stands_for(id).unwrap_or_else(|| id.hidden())
    }

    /// The session for which this id stands here, if it is not a session's own.
    pub(crate) fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        self.aliases.session(id)
    }

    /// The id that stands for a session here whose own is not known.
    pub(crate) fn alias(&self, hidden: HiddenId) -> SessionId {
        self.aliases.of(hidden)
    }

    /// The record of a session.
    pub(crate) fn record(&self, hidden: HiddenId) -> String {
        SessionKeys::of_hidden(&self.prefix, hidden).record
    }

    /// Where a session with this public key is, once its id has changed.
    pub(crate) fn pointer(&self, key: &str) -> String {
        format!("{}key:{}", self.prefix, URL_SAFE_NO_PAD.encode(Sha256::digest(key)))
    }

    /// The index of an owner's sessions: by a hash, for owners stand in no key.
    pub(crate) fn owner_index(&self, owner: &str) -> String {
        format!("{}owner:{}", self.prefix, URL_SAFE_NO_PAD.encode(Sha256::digest(owner)))
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
