//! The session of one request or of one connection: which id it has now, and looking it up.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use parking_lot::Mutex;
use smallvec::SmallVec;
use time::OffsetDateTime;
use tower_sessions::Expiry;

use crate::{
    backend::{Answer, Attributes, Backend, BackendError, Keys, Load, Loaded, Releases},
    call::{
        access::States,
        bounded::{self, FromBackend},
        expiry_watch::{moment_to_look, watch},
        last_seen::LastSeen,
        settings::Settings,
    },
    clock,
    error::{Error, ErrorKind},
    process::{
        Ending, Registry,
        disconnects::{Cause, Sockets, disconnect},
    },
    session::id::SessionId,
    telemetry::Scene,
    turns::{HeldTurns, Lease, LeaseHome, Polled, Ticket},
};

/// The session of one request or connection. Requests and sockets that show the same cookie have a handle each.
pub(crate) struct LiveSession {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) settings: Arc<Settings>,
    pub(super) current: Mutex<Current>,
    /// Whether a session may begin here: a [`Begins`].
    begins: AtomicU8,
    /// It is known by its key, and goes on under whichever id the session has.
    is_by_key: bool,
    /// Held while a session begins, so that two writers of one request begin one. Most have begun before.
    pub(super) beginning: OnceLock<Box<tokio::sync::Mutex<()>>>,
}

/// Whether a session may begin in a request, or where one is shown that has just changed its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Begins {
    /// No cookie can be set (any more).
    Never,
    /// Only where a new id is asked for, which logs somebody in: the request comes from another site, and may have been
    /// sent without the visitor's cookie, which must not be overwritten.
    WithNewId,
    /// As `WithNewId`; but what else is to be written is left out in silence: somebody follows a link to a page.
    WithNewIdOrNothing,
    Freely,
}

impl Begins {
    fn of(number: u8) -> Self {
        let all = [Self::Never, Self::WithNewId, Self::WithNewIdOrNothing, Self::Freely];
        all[usize::from(number).min(3)]
    }
}

/// What becomes of a write where there is no session.
pub(super) enum Beginning {
    Begins,
    /// Nothing is saved, and nobody is told.
    LeftOut,
}

pub(super) struct Current {
    pub(super) id: SessionId,
    pub(super) presence: Presence,
    pub(super) key: Option<Arc<str>>,
    /// Boxed: a connection's handle lives long, and seldom has it.
    transition: Option<Box<Transition>>,
}

/// Kept only while a session begins, changes its id or ends; and on a connection that keeps what it has last seen.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is something of its own that came to pass")]
pub(super) struct Transition {
    /// The id that a change of id will give: known before, so that a plain `Session` can say it.
    pub(super) next: Option<SessionId>,
    pub(super) cookie: CookieEffect,
    /// Whether the session began through this handle: nobody was shown its cookie yet.
    pub(super) began: bool,
    /// Whether one has ended whose cookie was shown.
    pub(super) shown_one_ended: bool,
    /// Whether the id was changed through this handle.
    pub(super) changed_id: bool,
    /// The ids that it had before: turns that are held under them are still of this session.
    pub(super) former: SmallVec<[SessionId; 1]>,
    /// The session's own expiry, where it was set through this handle: later than what a call around has loaded.
    #[allow(clippy::option_option, reason = "no expiry of its own is one to be set")]
    pub(super) expiry: Option<Option<Expiry>>,
    /// Something was to be written and was left out, because the request came from another site.
    pub(super) left_out: bool,
    /// Sockets of an id that ended here, to be disconnected when the answer is out.
    pub(super) to_disconnect: Sockets,
    /// What the connection has last seen of its session, where a disconnect handler wants it.
    pub(super) last_seen: Option<LastSeen>,
}

impl Current {
    pub(super) fn transition(&mut self) -> &mut Transition {
        self.transition.get_or_insert_default()
    }

    /// What a call around has loaded, with what a call inside of it has changed since.
    pub(super) fn with_later_changes(&self, mut loaded: Attributes) -> Attributes {
        let later = self.transition.as_ref().and_then(|transition| transition.expiry);
        loaded.expiry = later.unwrap_or(loaded.expiry);
        loaded
    }

    /// What the connection has last seen of its session, where that is kept.
    pub(super) fn last_seen(&mut self) -> Option<&mut LastSeen> {
        self.transition.as_mut()?.last_seen.as_mut()
    }
}

/// What is known of the session in the backend.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// A cookie was shown; the backend was not asked yet.
    Unknown,
    Stored,
    /// There is none. One may begin, under the handle's id, which nobody was shown.
    Absent,
    /// The cookie shows an id that was changed a moment ago: nothing is read or written.
    Dead(Ending),
}

/// What the response must do with the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum CookieEffect {
    #[default]
    Keep,
    Set {
        id: SessionId,
        expiry: Option<Expiry>,
        last: Option<OffsetDateTime>,
    },
    /// The session that is shown has ended, if it was there.
    Remove {
        was_there: bool,
    },
}

/// What a call has when it arrives.
pub(crate) enum Arrival {
    /// It asks for no state.
    Stateless,
    /// It only reads, and this is what it reads.
    Snapshot(Loaded),
    /// Its places in the queues.
    Queued(Ticket),
}

/// What was found when a session was looked up.
pub(crate) enum Lookup {
    Found(Loaded),
    /// Nothing: the states are at their defaults.
    Nothing,
    /// This handle has another id now: the cookie's session does not exist, and nothing is under the new one; or another
    /// task of the same request changed it while the backend was asked.
    Renamed,
}

impl LiveSession {
    /// Of a request that shows this cookie, if any.
    pub(crate) fn new(backend: Arc<dyn Backend>, settings: Arc<Settings>, shown: Option<SessionId>) -> Self {
        let id = shown.unwrap_or_else(SessionId::random);
        let presence = if shown.is_some() { Presence::Unknown } else { Presence::Absent };
        Self::of(backend, settings, Current { id, presence, key: None, transition: None }, Begins::Freely)
    }

    fn of(backend: Arc<dyn Backend>, settings: Arc<Settings>, current: Current, begins: Begins) -> Self {
        let (current, begins) = (Mutex::new(current), AtomicU8::new(begins as u8));
        Self { backend, settings, current, begins, is_by_key: false, beginning: OnceLock::new() }
    }

    /// Of a session that was found by its key, under the id that it has now.
    pub(crate) fn by_key(
        backend: Arc<dyn Backend>,
        settings: Arc<Settings>,
        id: SessionId,
        key: Arc<str>,
    ) -> Self {
        let current = Current { id, presence: Presence::Stored, key: Some(key), transition: None };
        let mut live = Self::of(backend, settings, current, Begins::Never);
        live.is_by_key = true;
        live
    }

    /// Looks for the id that the session has by now, where it is known by its key. Whether that is another one than this.
    pub(crate) async fn find_again(&self, than: SessionId) -> bool {
        let Some(owners) = self.backend.owners().filter(|_| self.is_by_key) else { return false };
        let found = owners.find(&self.key().into());
        let Ok(Some(id)) = bounded::asked(found, self.settings.backend_timeout).await else { return false };
        let mut current = self.current.lock();
        if current.id != id {
            let former = std::mem::replace(&mut current.id, id);
            current.presence = Presence::Stored;
            current.transition().former.push(former);
        }
        // Another one who has this handle may have found it already.
        id != than
    }

    /// How the session ended that has, or had, this id here.
    pub(super) fn ending_of(&self, id: SessionId) -> Option<Ending> {
        let registry = self.registry();
        registry.ending(id).or_else(|| {
            let owners = self.backend.owners().filter(|_| self.is_by_key)?;
            registry.ending_as(owners.stands_for(id)?)
        })
    }

    /// Of a connection whose handshake this handle served: the same session, in which none can begin any more.
    pub(crate) fn for_connection(&self) -> Self {
        let current = self.current.lock();
        let copy = Current { key: current.key.clone(), transition: None, ..*current };
        Self::of(Arc::clone(&self.backend), Arc::clone(&self.settings), copy, Begins::Never)
    }

    /// Goes on in the session of another handle, as that has it now: of the request that opened this connection.
    pub(crate) fn follow(&self, other: &Self) {
        let (id, presence, key) = {
            let other = other.current.lock();
            (other.id, other.presence, other.key.clone())
        };
        let mut current = self.current.lock();
        (current.id, current.presence, current.key) = (id, presence, key);
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.backend.registry()
    }

    pub(crate) fn id(&self) -> SessionId {
        self.current.lock().id
    }

    fn former_ids(&self) -> SmallVec<[SessionId; 1]> {
        let current = self.current.lock();
        current.transition.as_ref().map(|transition| transition.former.clone()).unwrap_or_default()
    }

    /// An error where waiting for a turn of this session would wait for a call around, which holds one.
    pub(crate) fn not_inside_its_turn(&self, around: &HeldTurns) -> Result<(), Error> {
        let current = self.current.lock();
        let former = current.transition.iter().flat_map(|transition| &transition.former);
        let inside =
            former.chain([&current.id]).any(|id| around.any_of(*id) || self.is_alias_inside(*id, around));
        if inside { Err(Error::new(ErrorKind::NestedTurn)) } else { Ok(()) }
    }

    /// Whether there are turns around of the session for which this id stands here: it was found by its key.
    fn is_alias_inside(&self, id: SessionId, around: &HeldTurns) -> bool {
        if !self.is_by_key || around.is_empty() {
            return false;
        }
        let hidden = self.backend.owners().and_then(|owners| owners.stands_for(id));
        hidden.is_some_and(|hidden| around.any_as(hidden))
    }

    /// Whether the session that these were loaded from has ended through this handle.
    pub(crate) fn has_ended_since(&self, loaded: &Attributes) -> bool {
        let current = self.current.lock();
        current.presence == Presence::Absent || current.key.as_ref().is_some_and(|key| *key != loaded.key)
    }

    /// How the session ended that was shown, where it is dead.
    pub(super) fn ended_before(&self) -> Option<Ending> {
        match self.current.lock().presence {
            Presence::Dead(ending) => Some(ending),
            _ => None,
        }
    }

    /// Whether there is a session, as far as is known.
    pub(crate) fn is_stored(&self) -> bool {
        self.current.lock().presence == Presence::Stored
    }

    /// Whether the session's id was changed through this handle.
    pub(crate) fn has_changed_id(&self) -> bool {
        self.current.lock().transition.as_ref().is_some_and(|transition| transition.changed_id)
    }

    /// Says when the session expires, so that its sockets end with it.
    pub(crate) fn watch(&self, attributes: &Attributes, expires: OffsetDateTime) {
        watch(&self.backend, &self.settings);
        let id = self.id();
        let look = moment_to_look(&self.settings.lifetimes, id, attributes, expires);
        self.registry().sockets().note_expiry(id, look);
    }

    /// Has it found out when the session expires, so that its sockets end with it.
    pub(crate) fn watch_unknown(&self) {
        watch(&self.backend, &self.settings);
        self.registry().sockets().note_expiry(self.id(), clock::now());
    }

    /// The id that the session will have once a change of id is committed.
    pub(crate) fn next_id(&self) -> SessionId {
        *self.current.lock().transition().next.get_or_insert_with(SessionId::random)
    }

    /// The public key; of the session that would begin here, where there is none.
    pub(crate) fn key(&self) -> Arc<str> {
        let mut current = self.current.lock();
        let id = current.id;
        Arc::clone(current.key.get_or_insert_with(|| id.public_key().into()))
    }

    /// The public key, where the session has been loaded: for the log.
    pub(crate) fn known_key(&self) -> Option<Arc<str>> {
        self.current.lock().key.clone()
    }

    /// Writes the log line of a failed call of this session.
    pub(crate) fn log(
        &self,
        error: &Error,
        place: &'static str,
        handler: &'static str,
        states: &[&'static str],
    ) {
        let key = self.known_key();
        error.log_of(Scene { place, handler: Some(handler), states, key: key.as_deref() });
    }

    /// From now on no session can begin here: the answer that could set its cookie is out.
    pub(crate) fn no_more_cookies(&self) {
        self.let_begin(Begins::Never);
    }

    /// Says where a session may begin from now on.
    pub(crate) fn let_begin(&self, begins: Begins) {
        self.begins.store(begins as u8, Ordering::Release);
    }

    /// Where a session may begin.
    pub(crate) fn begins(&self) -> Begins {
        Begins::of(self.begins.load(Ordering::Acquire))
    }

    /// Whether a session can begin here, on whatever condition.
    pub(super) fn may_begin(&self) -> bool {
        self.begins() != Begins::Never
    }

    pub(crate) fn take_cookie(&self) -> CookieEffect {
        self.current
            .lock()
            .transition
            .as_mut()
            .map(|transition| std::mem::take(&mut transition.cookie))
            .unwrap_or_default()
    }

    /// Whether something was to be written and was left out.
    pub(crate) fn has_left_out(&self) -> bool {
        self.current.lock().transition.as_ref().is_some_and(|transition| transition.left_out)
    }

    /// The sockets to disconnect once the answer is out.
    pub(crate) fn take_sockets(&self) -> Sockets {
        self.current
            .lock()
            .transition
            .as_mut()
            .map(|transition| std::mem::take(&mut transition.to_disconnect))
            .unwrap_or_default()
    }

    /// Whether there are sockets to disconnect.
    pub(crate) fn has_sockets(&self) -> bool {
        self.current.lock().transition.as_ref().is_some_and(|transition| !transition.to_disconnect.is_empty())
    }

    /// Takes the places of a handler in its queues. A reader that nobody is before, and whose backend has the session
    /// at hand, needs none: it has its snapshot at once. `around`: the turns that are held by calls around it.
    pub(crate) fn arrive<S: States>(&self, polled: Polled, around: &HeldTurns) -> Result<Arrival, Error> {
        if S::PLAN.is_empty() {
            return Ok(Arrival::Stateless);
        }
        let (id, turns) = (self.id(), self.registry().turns());
        if !around.is_empty() {
            for former in self.former_ids() {
                turns.refuse_inside_former(former, S::PLAN, around)?;
            }
        }
        if !S::WRITES
            && turns.nobody_writes(id, S::PLAN)
            && let Answer::Ready(Ok(Some(loaded))) = self.backend.load(id, Load::read(Keys::Only(S::KEYS)))
            && let Ok(Lookup::Found(loaded)) = self.found(id, Keys::Only(S::KEYS), Ok(Some(loaded)))
        {
            return Ok(Arrival::Snapshot(loaded));
        }
        turns.join(id, S::PLAN, self.settings.limits, polled, around).map(Arrival::Queued)
    }

    /// Looks the session up, without a turn.
    pub(crate) async fn load(&self, keys: Keys) -> Result<Lookup, Error> {
        match self.ask(Load::read(keys)) {
            Some((id, loaded)) => self.found(id, keys, loaded.await),
            None => Ok(Lookup::Nothing),
        }
    }

    /// The same without any value, and with whose it is.
    pub(crate) async fn load_with_ownership(&self) -> Result<Lookup, Error> {
        let keys = Keys::Only(&[]);
        match self.ask(Load { ownership: true, ..Load::read(keys) }) {
            Some((id, loaded)) => self.found(id, keys, loaded.await),
            None => Ok(Lookup::Nothing),
        }
    }

    /// Asks the backend for the session, which has this id; what comes of it is to be [noted](Self::found). `None`: it is
    /// known that nothing is there.
    pub(crate) fn ask(&self, load: Load) -> Option<(SessionId, Answer<FromBackend>)> {
        let id = {
            let current = self.current.lock();
            matches!(current.presence, Presence::Unknown | Presence::Stored).then_some(current.id)?
        };
        Some((id, bounded::load(&*self.backend, id, load, self.settings.backend_timeout)))
    }

    /// Notes what the backend has under this id. `keys`: which were asked for.
    pub(crate) fn found(&self, id: SessionId, keys: Keys, loaded: FromBackend) -> Result<Lookup, Error> {
        match loaded {
            Ok(Some(mut loaded)) => {
                if !self.is_in_its_life(id, &mut loaded) {
                    return self.note_nothing(id);
                }
                let mut current = self.current.lock();
                if current.id != id {
                    return Ok(Lookup::Renamed);
                }
                current.presence = Presence::Stored;
                current.key.get_or_insert_with(|| Arc::clone(&loaded.attributes.key));
                if let Some(last_seen) = current.last_seen() {
                    last_seen.note_loaded(keys, &loaded);
                }
                drop(current);
                Ok(Lookup::Found(loaded))
            }
            Ok(None) => self.note_nothing(id),
            Err(error) => Err(self.note_failure(id, error)),
        }
    }

    /// Whether the absolute timeout has not ended what was loaded: the backend does not know of that.
    fn is_in_its_life(&self, id: SessionId, loaded: &mut Loaded) -> bool {
        let end = self.settings.lifetimes.end_of(&loaded.attributes, loaded.expires);
        if end == loaded.expires {
            return true;
        }
        loaded.expires = end;
        if end > clock::now() {
            return true;
        }
        if loaded.lease != Lease::default() {
            self.lease_home().give_back(id, loaded.lease);
        }
        false
    }

    /// From now on the connection keeps what it has last seen of these states, for a disconnect handler that runs after the
    /// session's end.
    pub(crate) fn keep_last_seen(&self, keys: &[&'static str]) {
        self.current.lock().transition().last_seen.get_or_insert_default().keep(keys);
    }

    /// The session as the connection has last seen it, with these states, if all of them were kept.
    pub(crate) fn last_seen(&self, keys: &[&str]) -> Option<Loaded> {
        self.current.lock().last_seen()?.of(keys)
    }

    /// Where the leases of this session's turns come from.
    pub(crate) fn lease_home(&self) -> Arc<dyn LeaseHome> {
        Arc::new(Releases { backend: Arc::clone(&self.backend), limit: self.settings.backend_timeout })
    }

    fn note_nothing(&self, id: SessionId) -> Result<Lookup, Error> {
        let mut current = self.current.lock();
        if current.id != id {
            return Ok(Lookup::Renamed);
        }
        if current.presence == Presence::Stored {
            drop(current);
            return Err(self.note_gone(id));
        }
        let ending = self.ending_of(id);
        if !self.may_begin() {
            // Who was kept past the request is told for ever, and not only for as long as the ending is remembered.
            return Err(Error::new(ending.unwrap_or(Ending::Expired).kind()));
        }
        // An unknown id is never adopted, nor one that was changed.
        current.id = SessionId::random();
        current.key = None;
        if ending == Some(Ending::IdChanged) {
            current.presence = Presence::Dead(Ending::IdChanged);
            return Ok(Lookup::Nothing);
        }
        current.presence = Presence::Absent;
        Ok(Lookup::Renamed)
    }

    /// Makes sure that it is known whether there is a session.
    pub(crate) async fn resolve(&self) -> Result<(), Error> {
        let unknown = self.current.lock().presence == Presence::Unknown;
        if unknown {
            self.load(Keys::Only(&[])).await?;
        }
        Ok(())
    }

    /// Whether the session can be written to, so that a writer is told before it runs. Where a session may begin on a
    /// condition, that shows at the commit.
    pub(crate) fn writable(&self) -> Result<(), Error> {
        if self.may_begin() {
            return Ok(());
        }
        let presence = self.current.lock().presence;
        match presence {
            Presence::Absent => Err(Error::new(ErrorKind::NoSession)),
            Presence::Dead(ending) => Err(Error::new(ending.kind())),
            Presence::Unknown | Presence::Stored => Ok(()),
        }
    }

    /// What becomes of a write where there is no session. `new_id`: one was asked for, so that somebody is logged in.
    pub(super) fn beginning_of(&self, new_id: bool) -> Result<Beginning, Error> {
        self.writable()?;
        let presence = self.current.lock().presence;
        match (presence, self.begins()) {
            (_, Begins::Never) => Err(Error::new(ErrorKind::NoSession)),
            _ if new_id => Ok(Beginning::Begins),
            // The browser has, or will have, the cookie of the new id.
            (Presence::Dead(ending), _) => Err(Error::new(ending.kind())),
            (_, Begins::Freely) => Ok(Beginning::Begins),
            (_, Begins::WithNewIdOrNothing) => Ok(Beginning::LeftOut),
            (_, Begins::WithNewId) => Err(Error::with_text(
                ErrorKind::NoSession,
                "a page of another site sent this request, without the session's cookie (see `with_same_site`): nothing \
                 is saved here unless the handler logs somebody in and asks for a new id \
                 (`SessionControl::cycle_id`)",
            )),
        }
    }

    /// Why a session is not there that was. If nobody here ended it, it has expired: its sockets end with it.
    pub(super) fn note_gone(&self, id: SessionId) -> Error {
        let known = self.ending_of(id);
        if known.is_none() {
            let sockets = self.registry().end(id, Ending::Expired);
            self.current.lock().transition().to_disconnect.extend(sockets);
        }
        Error::new(known.unwrap_or(Ending::Expired).kind())
    }

    pub(super) fn note_failure(&self, id: SessionId, error: BackendError) -> Error {
        match error {
            BackendError::Gone => self.note_gone(id),
            BackendError::TurnTimeout => Error::new(ErrorKind::TurnTimeout),
            BackendError::TurnLost => Error::new(ErrorKind::TurnLost),
            BackendError::NotAnObject(key) => Error::with_text(
                ErrorKind::Undecodable,
                format!("the value stored under `{key}` is no JSON object; it was left as it is"),
            ),
            BackendError::NotJson(key) => Error::with_text(
                ErrorKind::Undecodable,
                format!("the value stored under `{key}` is no JSON; it was left as it is"),
            ),
            BackendError::OutcomeUnknown(source) => Error::new(ErrorKind::OutcomeUnknown).because(source),
            BackendError::OldIdMayLive(source) => Error::with_text(
                ErrorKind::OutcomeUnknown,
                "the session has its new id and is saved, but the session backend did not say that the old id has ended",
            )
            .because(source),
            BackendError::Full => {
                Error::logged(ErrorKind::Backend, "there is no room for another session on this server")
            }
            BackendError::Failed(source) => Error::new(ErrorKind::Backend).because(source),
        }
    }
}

impl Drop for LiveSession {
    /// A commit whose client left may end last: its sockets end all the same.
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_ok() {
            disconnect(self.take_sockets(), Cause::Expiry);
        }
    }
}
