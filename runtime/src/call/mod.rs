//! One call, from its arrival to its end: its places in the queues, its states, what it wants of the session, and what
//! becomes of all that. It uses every room below it; it never knows whether a call is an HTTP request or an event.

pub(crate) mod access;
pub(crate) mod after_commit;
pub(crate) mod backlog;
pub(crate) mod bounded;
pub(crate) mod commit;
pub(crate) mod connection;
pub(crate) mod control;
pub(crate) mod current_call;
pub(crate) mod detached;
pub(crate) mod expiry_watch;
pub(crate) mod held;
pub(crate) mod intents;
mod last_seen;
pub(crate) mod listening;
pub(crate) mod live_session;
pub(crate) mod live_states;
pub(crate) mod outcome;
pub(crate) mod removed;
pub(crate) mod returned;
pub(crate) mod running_call;
pub(crate) mod scope;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod shared;
pub(crate) mod whose;
pub(crate) mod write;
