//! Which Engine.IO connections were opened by polling, and for which session: their later requests must show its cookie.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::session::id::SessionId;

/// The sessions of connections, by their `sid`.
#[derive(Default)]
pub(crate) struct Connections(Mutex<HashMap<String, SessionId>>);

impl Connections {
    pub(crate) fn insert(&self, sid: String, id: SessionId) {
        self.0.lock().insert(sid, id);
    }

    pub(crate) fn session_of(&self, sid: &str) -> Option<SessionId> {
        self.0.lock().get(sid).copied()
    }

    pub(crate) fn remove(&self, sid: &str) {
        self.0.lock().remove(sid);
    }
}
