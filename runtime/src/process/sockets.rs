//! The sockets that are bound to sessions, and when those sessions expire as far as is known.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    mem,
    pin::Pin,
    ptr,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use smallvec::SmallVec;
use time::OffsetDateTime;

use super::{
    disconnects::{Leaving, Sockets},
    endings::Ending,
};
use crate::session::id::{BySession, HiddenId, SessionId};

/// A connected socket, as far as this room needs to know it.
pub(crate) trait SessionSocket: Send + Sync {
    /// Takes the socket out of all its rooms.
    fn leave_rooms(&self);
    /// Ends the socket in all namespaces of its connection, where its client is told how its session ended.
    fn disconnect(self: Arc<Self>, ended: Option<Ending>);
    /// Closes all connections of the Socket.IO server that the socket is of.
    fn close_server(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

#[derive(Default)]
pub(crate) struct BoundSockets(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_session: BySession<OfSession>,
    expiries: BTreeSet<(Moment, SessionId)>,
    /// By what stands for the id in the messages of nodes, where there are any.
    hidden: Option<HashMap<HiddenId, SessionId>>,
    /// Ids that stand for sessions whose own is not known to who listens.
    aliases: HashMap<HiddenId, SessionId>,
}

struct OfSession {
    /// Most sessions have one socket only.
    bound: SmallVec<[Weak<dyn SessionSocket>; 1]>,
    /// As far as it was noted.
    expires: Moment,
}

impl Default for OfSession {
    fn default() -> Self {
        Self { bound: SmallVec::new(), expires: Moment::NEVER }
    }
}

/// A moment, in milliseconds since 1970, rounded up: there are many of them, and the calendar's own takes twice as much.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(i64);

impl Moment {
    const NEVER: Self = Self(i64::MAX);

    fn of(moment: OffsetDateTime) -> Self {
        let milliseconds = -(-moment.unix_timestamp_nanos()).div_euclid(1_000_000);
        i64::try_from(milliseconds).map_or(Self::NEVER, Self)
    }
}

impl Inner {
    fn remove(&mut self, id: SessionId) -> Option<OfSession> {
        let of_session = self.by_session.remove(&id)?;
        if let Some(by_hidden) = &mut self.hidden {
            by_hidden.remove(&id.hidden());
        }
        if !self.aliases.is_empty() {
            self.aliases.retain(|_, alias| *alias != id);
        }
        self.expiries.remove(&(of_session.expires, id));
        Some(of_session)
    }
}

impl BoundSockets {
    /// Sockets whose sessions can also be found by what stands for their ids.
    pub(super) fn among_nodes() -> Self {
        Self(Mutex::new(Inner { hidden: Some(HashMap::new()), ..Inner::default() }))
    }

    /// Binds a socket to its session until it is [unbound](Self::unbind).
    pub(crate) fn bind(&self, id: SessionId, socket: Weak<dyn SessionSocket>) {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        let of_session = inner.by_session.entry(id).or_default();
        if of_session.bound.is_empty()
            && let Some(by_hidden) = &mut inner.hidden
        {
            by_hidden.insert(id.hidden(), id);
        }
        of_session.bound.push(socket);
    }

    /// The same under an id that stands for this session.
    pub(crate) fn bind_as(&self, hidden: HiddenId, alias: SessionId, socket: Weak<dyn SessionSocket>) {
        self.bind(alias, socket);
        self.0.lock().aliases.insert(hidden, alias);
    }

    /// The id that stands for this session, if anybody listens under it.
    pub(super) fn alias_of(&self, hidden: HiddenId) -> Option<SessionId> {
        self.0.lock().aliases.get(&hidden).copied()
    }

    /// The session that this id stands for, if it stands for another than its own and somebody listens under it.
    pub(super) fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        let inner = self.0.lock();
        inner.aliases.iter().find(|(_, alias)| **alias == id).map(|(hidden, _)| *hidden)
    }

    /// Unbinds the socket that is at this address.
    pub(crate) fn unbind(&self, id: SessionId, socket: *const ()) {
        let mut inner = self.0.lock();
        if let Some(of_session) = inner.by_session.get_mut(&id) {
            of_session.bound.retain(|bound| !ptr::addr_eq(bound.as_ptr(), socket));
            if of_session.bound.is_empty() {
                inner.remove(id);
            }
        }
    }

    /// Unbinds all sockets of a session, which are out of every room from now on. `ended`: how the session ended, where that
    /// is known.
    pub(super) fn take_out_of_rooms(&self, id: SessionId, ended: Option<Ending>) -> Sockets {
        let of_session = self.0.lock().remove(id).unwrap_or_default();
        let sockets: Vec<_> = of_session.bound.iter().filter_map(Weak::upgrade).collect();
        for socket in &sockets {
            socket.leave_rooms();
        }
        sockets.into_iter().map(|socket| Leaving { socket, ended }).collect()
    }

    /// Whether no session has any.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().by_session.is_empty()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<dyn SessionSocket>> {
        let inner = self.0.lock();
        inner.by_session.values().flat_map(|of| &of.bound).filter_map(Weak::upgrade).collect()
    }

    /// The sessions that have any.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.0.lock().by_session.keys().copied().collect()
    }

    /// The session with sockets for whose id this stands.
    pub(super) fn session_as(&self, hidden: HiddenId) -> Option<SessionId> {
        self.0.lock().hidden.as_ref()?.get(&hidden).copied()
    }

    /// Notes when a session expires, if it has sockets.
    pub(crate) fn note_expiry(&self, id: SessionId, expires: OffsetDateTime) {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        let Some(of_session) = inner.by_session.get_mut(&id) else { return };
        let moment = Moment::of(expires);
        // A later moment is found out when the earlier one has come.
        if moment < of_session.expires {
            inner.expiries.remove(&(of_session.expires, id));
            of_session.expires = moment;
            inner.expiries.insert((moment, id));
        }
    }

    /// Takes the sessions whose noted moment of expiry has come.
    pub(crate) fn take_due(&self, now: OffsetDateTime) -> Vec<SessionId> {
        let mut inner = self.0.lock();
        let later = inner.expiries.split_off(&(Moment::of(now), SessionId::LEAST));
        let due = mem::replace(&mut inner.expiries, later);
        let mut ids = Vec::with_capacity(due.len());
        for (_, id) in due {
            if let Some(of_session) = inner.by_session.get_mut(&id) {
                of_session.expires = Moment::NEVER;
                ids.push(id);
            }
        }
        ids
    }
}
