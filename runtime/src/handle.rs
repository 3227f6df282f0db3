//! The session of one request or of one connection: which id it has now, loading it and committing to it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::poll;
use parking_lot::Mutex;
use time::OffsetDateTime;
use tower_sessions::Expiry;

use crate::{
    access::States,
    backend::{Action, Backend, BackendError, Commit, Keys, Lease, Load, Loaded, Meta},
    change::Changes,
    clock,
    config::Config,
    control::Asked,
    error::{Error, ErrorKind},
    id::SessionId,
    lease::HeldLease,
    registry::{Announced, Ending, Registry, SessionSocket},
    turns::{Ticket, Turn},
    watch::watch,
};

/// The session of one request or connection. Requests and sockets that show the same cookie have a handle each.
pub(crate) struct Handle {
    backend: Arc<dyn Backend>,
    config: Arc<Config>,
    current: Mutex<Current>,
    /// Whether a session may begin here: only where its cookie can still be set.
    may_begin: AtomicBool,
    /// Held while a session begins, so that two writers of one request begin one.
    beginning: tokio::sync::Mutex<()>,
}

struct Current {
    id: SessionId,
    presence: Presence,
    /// The id that a change of id will give: known before, so that a plain `Session` can say it.
    next: Option<SessionId>,
    key: Option<Arc<str>>,
    cookie: CookieEffect,
    /// Whether the id was changed through this handle.
    changed_id: bool,
    /// Sockets of an id that ended here, to be disconnected when the answer is out.
    to_disconnect: Vec<Arc<dyn SessionSocket>>,
}

/// What is known of the session in the backend.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
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
    Remove,
}

/// What was found when a session was looked up.
pub(crate) enum Lookup {
    Found(Loaded),
    /// Nothing: the states are at their defaults.
    Nothing,
    /// The cookie's session does not exist: this handle has another id now, and nothing under it.
    Renamed,
}

/// What to write, beside what the session itself is asked for.
pub(crate) struct Work {
    pub(crate) changes: Changes,
    pub(crate) asked: Asked,
    /// The session as it was loaded; `None` where nothing was.
    pub(crate) meta: Option<Meta>,
    pub(crate) lease: HeldLease,
    /// A new moment of expiry, because the session is active.
    pub(crate) touch: Option<OffsetDateTime>,
    /// Begin a session even with nothing in it; renew the expiry even with nothing changed.
    pub(crate) even_if_unchanged: bool,
}

impl Work {
    pub(crate) fn of(changes: Changes) -> Self {
        let (asked, lease) = (Asked::default(), HeldLease::default());
        Self { changes, asked, meta: None, lease, touch: None, even_if_unchanged: false }
    }

    fn is_nothing(&self) -> bool {
        self.changes.is_empty() && !self.asked.anything() && self.touch.is_none() && !self.even_if_unchanged
    }
}

impl Handle {
    /// Of a request that shows this cookie, if any.
    pub(crate) fn new(backend: Arc<dyn Backend>, config: Arc<Config>, shown: Option<SessionId>) -> Self {
        let id = shown.unwrap_or_else(SessionId::random);
        let presence = if shown.is_some() { Presence::Unknown } else { Presence::Absent };
        let current = Current {
            id,
            presence,
            next: None,
            key: None,
            cookie: CookieEffect::Keep,
            changed_id: false,
            to_disconnect: Vec::new(),
        };
        Self {
            backend,
            config,
            current: Mutex::new(current),
            may_begin: AtomicBool::new(true),
            beginning: tokio::sync::Mutex::default(),
        }
    }

    /// Of a connection whose handshake this handle served: the same session, in which none can begin any more.
    pub(crate) fn for_connection(&self) -> Self {
        let current = self.current.lock();
        let copy = Self::new(Arc::clone(&self.backend), Arc::clone(&self.config), None);
        {
            let mut of_copy = copy.current.lock();
            of_copy.id = current.id;
            of_copy.presence = current.presence;
            of_copy.key.clone_from(&current.key);
        }
        copy.no_more_cookies();
        copy
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.backend.registry()
    }

    pub(crate) fn id(&self) -> SessionId {
        self.current.lock().id
    }

    /// Whether there is a session, as far as is known.
    pub(crate) fn is_stored(&self) -> bool {
        self.current.lock().presence == Presence::Stored
    }

    /// Whether the session's id was changed through this handle.
    pub(crate) fn has_changed_id(&self) -> bool {
        self.current.lock().changed_id
    }

    /// Says when the session expires, so that its sockets end with it.
    pub(crate) fn watch(&self, expires: OffsetDateTime) {
        watch(&self.backend, &self.config);
        self.registry().expires(self.id(), expires);
    }

    /// The id that the session will have once a change of id is committed.
    pub(crate) fn next_id(&self) -> SessionId {
        *self.current.lock().next.get_or_insert_with(SessionId::random)
    }

    /// The public key; of the session that would begin here, where there is none.
    pub(crate) fn key(&self) -> Arc<str> {
        let mut current = self.current.lock();
        let id = current.id;
        Arc::clone(current.key.get_or_insert_with(|| id.public_key().into()))
    }

    /// From now on no session can begin here: the answer that could set its cookie is out.
    pub(crate) fn no_more_cookies(&self) {
        self.may_begin.store(false, Ordering::Release);
    }

    pub(crate) fn take_cookie(&self) -> CookieEffect {
        std::mem::take(&mut self.current.lock().cookie)
    }

    /// The sockets to disconnect once the answer is out.
    pub(crate) fn take_sockets(&self) -> Vec<Arc<dyn SessionSocket>> {
        std::mem::take(&mut self.current.lock().to_disconnect)
    }

    /// Takes the places of a handler in its queues; `None` where it has no state.
    pub(crate) fn join<S: States>(&self) -> Result<Option<Ticket>, Error> {
        if S::PLAN.is_empty() {
            return Ok(None);
        }
        self.registry().turns().join(self.id(), S::PLAN, self.config.limits).map(Some)
    }

    /// Looks the session up.
    pub(crate) async fn load(&self, keys: Keys<'_>) -> Result<Lookup, Error> {
        self.look_up(Load::read(keys)).await.map(|(lookup, _)| lookup)
    }

    /// Looks the session up, with a lease on these turns, for which it waits this long at most.
    pub(crate) async fn load_with_turns(
        &self,
        keys: Keys<'_>,
        turns: &[&'static str],
        wait: Duration,
    ) -> Result<(Lookup, HeldLease), Error> {
        self.look_up(Load { keys, turns, wait, hold: self.config.limits.hold }).await
    }

    async fn look_up(&self, load: Load<'_>) -> Result<(Lookup, HeldLease), Error> {
        let (id, presence) = {
            let current = self.current.lock();
            (current.id, current.presence)
        };
        match presence {
            Presence::Absent | Presence::Dead(_) => return Ok((Lookup::Nothing, HeldLease::default())),
            Presence::Unknown | Presence::Stored => {}
        }
        let loaded = self.backend.load(id, load).await.map_err(|error| self.error(id, error))?;
        let lease = loaded.as_ref().map_or_else(Lease::default, |loaded| loaded.lease);
        let lease = HeldLease::new(&self.backend, id, lease);
        self.found(id, presence, loaded).map(|lookup| (lookup, lease))
    }

    fn found(&self, id: SessionId, presence: Presence, loaded: Option<Loaded>) -> Result<Lookup, Error> {
        if loaded.is_none() && presence == Presence::Stored {
            return Err(self.gone(id));
        }
        let mut current = self.current.lock();
        if current.id != id {
            // Changed by another task of the same request while the backend was asked.
            return Ok(Lookup::Renamed);
        }
        if let Some(loaded) = loaded {
            current.presence = Presence::Stored;
            current.key = Some(Arc::clone(&loaded.meta.key));
            return Ok(Lookup::Found(loaded));
        }
        if self.registry().ending(id) == Some(Ending::Changed) {
            current.presence = Presence::Dead(Ending::Changed);
            return Ok(Lookup::Nothing);
        }
        if let Some(ending) = self.registry().ending(id)
            && !self.may_begin.load(Ordering::Acquire)
        {
            return Err(Error::new(ending.kind()));
        }
        // An unknown id is never adopted.
        current.id = SessionId::random();
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

    /// Whether the session can be written to, so that a writer is told before it runs.
    pub(crate) fn writable(&self) -> Result<(), Error> {
        let presence = self.current.lock().presence;
        match presence {
            Presence::Absent if !self.may_begin.load(Ordering::Acquire) => {
                Err(Error::new(ErrorKind::NoSession))
            }
            Presence::Dead(ending) => Err(Error::new(ending.kind())),
            _ => Ok(()),
        }
    }

    /// Commits, and ends the turn after it. Once begun it runs to its end, also when the caller is dropped.
    pub(crate) async fn commit(self: &Arc<Self>, work: Work, turn: Option<Turn>) -> Result<(), Error> {
        if work.is_nothing() {
            return Ok(());
        }
        if let Some(turn) = &turn {
            turn.begin_commit()?;
        }
        let handle = Arc::clone(self);
        to_its_end(async move {
            let result = handle.carry_out(work).await;
            drop(turn);
            result
        })
        .await
    }

    async fn carry_out(&self, mut work: Work) -> Result<(), Error> {
        let _beginning = if self.is_stored() { None } else { Some(self.beginning.lock().await) };
        self.resolve().await?;
        self.writable()?;
        if !self.is_stored() {
            if work.changes.is_empty() && !work.even_if_unchanged {
                return Ok(());
            }
            return self.begin(work, false).await;
        }
        // Where `Meta` is going to change, what another handler made of it in the meantime counts.
        let is_current = |meta: &Meta| !meta.provisional && work.asked.expiry.is_none();
        if !work.meta.as_ref().is_some_and(is_current)
            && let Lookup::Found(loaded) = self.load(Keys::Only(&[])).await?
        {
            work.meta = Some(loaded.meta);
        }
        self.update(work).await
    }

    /// Begins a session, of which the response sets the cookie.
    async fn begin(&self, work: Work, provisional: bool) -> Result<(), Error> {
        let id = self.id();
        let mut meta = Meta::new(id);
        meta.expiry = work.asked.expiry.flatten();
        meta.provisional = provisional;
        let expires = self.config.expires_at(&meta, clock::now());
        let commit = Commit {
            id,
            lease: Lease::default(),
            action: Action::Create,
            changes: work.changes,
            meta: Some(meta.clone()),
            expires: Some(expires),
        };
        self.backend.commit(&commit).await.map_err(|error| self.error(id, error))?;
        let mut current = self.current.lock();
        current.presence = Presence::Stored;
        current.key = Some(Arc::clone(&meta.key));
        current.cookie = self.set_cookie(id, &meta);
        Ok(())
    }

    /// Begins a session with nothing in it, for a handshake: it lives shortly until something is written.
    pub(crate) async fn begin_provisional(&self) -> Result<(), Error> {
        self.begin(Work::of(Changes::new()), true).await
    }

    async fn update(&self, mut work: Work) -> Result<(), Error> {
        let Some(stored) = work.meta else { return Err(self.gone(self.id())) };
        let id = self.id();
        let mut meta = stored.clone();
        if let Some(expiry) = work.asked.expiry {
            meta.expiry = expiry;
        }
        if !work.changes.is_empty() || work.asked.cycle_id {
            meta.provisional = false;
        }
        let active = !work.changes.is_empty() || work.asked.anything() || work.even_if_unchanged;
        let expires = if active { Some(self.config.expires_at(&meta, clock::now())) } else { work.touch };
        let new_id = work.asked.cycle_id.then(|| self.next_id());
        let commit = Commit {
            id,
            lease: work.lease.lease(),
            action: new_id.map_or(Action::Update, Action::ChangeId),
            changes: work.changes,
            meta: (meta != stored).then(|| meta.clone()),
            expires,
        };
        let announced = new_id.map(|_| self.registry().announce(id, Ending::Changed));
        self.backend.commit(&commit).await.map_err(|error| self.error(id, error))?;
        work.lease.ended();

        if let Some(expires) = commit.expires.filter(|_| work.asked.expiry.is_some()) {
            self.registry().expires(id, expires);
        }
        let sockets = announced.map(Announced::came_true);
        let mut current = self.current.lock();
        if let Some(new) = new_id {
            current.id = new;
            current.next = None;
            current.changed_id = true;
            current.to_disconnect.extend(sockets.into_iter().flatten());
        }
        if new_id.is_some() || work.asked.expiry.is_some() || work.even_if_unchanged {
            current.cookie = self.set_cookie(current.id, &meta);
        }
        Ok(())
    }

    /// Ends the session. Once begun it runs to its end.
    pub(crate) async fn end(self: &Arc<Self>) -> Result<(), Error> {
        let handle = Arc::clone(self);
        to_its_end(async move { handle.carry_out_end().await }).await
    }

    async fn carry_out_end(&self) -> Result<(), Error> {
        self.resolve().await?;
        if let Presence::Dead(ending) = self.current.lock().presence {
            return Err(Error::new(ending.kind()));
        }
        let id = self.id();
        let mut sockets = Vec::new();
        if self.is_stored() {
            let announced = self.registry().announce(id, Ending::Ended);
            let commit = Commit {
                id,
                lease: Lease::default(),
                action: Action::End,
                changes: Changes::new(),
                meta: None,
                expires: None,
            };
            self.backend.commit(&commit).await.map_err(|error| self.error(id, error))?;
            sockets = announced.came_true();
        }
        let mut current = self.current.lock();
        current.to_disconnect.extend(sockets);
        if self.may_begin.load(Ordering::Acquire) {
            // What the request still writes begins another session.
            current.id = SessionId::random();
            current.presence = Presence::Absent;
            current.key = None;
        }
        current.cookie = CookieEffect::Remove;
        Ok(())
    }

    fn set_cookie(&self, id: SessionId, meta: &Meta) -> CookieEffect {
        CookieEffect::Set { id, expiry: self.config.expiry_of(meta), last: self.config.last_moment(meta) }
    }

    /// Why a session is not there that was. If nobody here ended it, it has expired: its sockets end with it.
    fn gone(&self, id: SessionId) -> Error {
        let known = self.registry().ending(id);
        if known.is_none() {
            let sockets = self.registry().end(id, Ending::Ended);
            self.current.lock().to_disconnect.extend(sockets);
        }
        Error::new(known.unwrap_or(Ending::Ended).kind())
    }

    fn error(&self, id: SessionId, error: BackendError) -> Error {
        match error {
            BackendError::Gone => self.gone(id),
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
            BackendError::Failed(source) => Error::new(ErrorKind::Backend).because(source),
        }
    }
}

/// Runs a commit to its end although its caller may be dropped: on a task of its own, unless it needs no wait.
async fn to_its_end<F>(commit: F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut commit = Box::pin(commit);
    if let std::task::Poll::Ready(result) = poll!(&mut commit) {
        return result;
    }
    match tokio::spawn(commit).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::OutcomeUnknown).because(error)),
    }
}
