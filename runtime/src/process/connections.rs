//! Which Engine.IO connections were opened by polling, and for which session: their later requests must show its cookie.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use parking_lot::Mutex;

use crate::session::id::SessionId;

/// The sessions of connections, by their `sid`.
#[derive(Default)]
pub(crate) struct Connections(Mutex<HashMap<String, Bound>>);

/// The session that a connection is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The name of the cookie by which it is shown: where several layers are one inside of the other, a connection belongs
    /// to the layer that bound it.
    pub(crate) cookie: Cow<'static, str>,
    pub(crate) session: SessionId,
}

impl Connections {
    /// Binds a connection, unless it is bound already.
    pub(crate) fn bind(&self, sid: &str, bound: Bound) -> bool {
        match self.0.lock().entry(sid.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(bound);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// The session of a connection that was bound by this cookie.
    pub(crate) fn session_of(&self, sid: &str, cookie: &str) -> Option<SessionId> {
        self.0.lock().get(sid).filter(|bound| bound.cookie == cookie).map(|bound| bound.session)
    }

    pub(crate) fn remove(&self, sid: &str) {
        self.0.lock().remove(sid);
    }
}
