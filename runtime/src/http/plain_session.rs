//! The `tower_sessions::Session` of one request: a store view that remembers what was loaded, so that a save is
//! a set of writes to the keys that changed.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use futures_util::FutureExt;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::{
    Expiry, Session, SessionStore,
    session::{self, Id, Record},
    session_store,
};

use super::settings::LayerSettings;
use crate::{
    backend::{Attributes, Backend, Keys, Loaded},
    call::{
        commit::Work,
        intents::{Intent, Intents},
        live_session::{LiveSession, Lookup},
    },
    clock,
    error::{Error, ErrorKind},
    session::{
        change::{Change, Changes, changed_keys},
        encode::{LEVELS, has_at_most},
    },
};

/// What a plain `Session` of one request reads from and saves to. A connection keeps the extensions of its handshake,
/// and in them the `Session` and this: so it holds little once the request is over.
pub(crate) struct PlainStore {
    /// `None`: the request is over, and a copy of the `Session` that is kept past it is refused.
    open: Mutex<Option<Open>>,
}

struct Open {
    live: Arc<LiveSession>,
    intents: Arc<Intents>,
    /// Of the layer that saw the request.
    layer: Arc<LayerSettings>,
    /// Whose view this is.
    session: Session,
    /// Whether it began with an id, under which there may be something to read.
    had_id: bool,
    /// Boxed: most requests use no plain `Session`.
    state: Option<Box<State>>,
}

type Values = HashMap<String, Value>;

#[derive(Default)]
struct State {
    /// The values as the `Session` read or saved them last. `None`: it did not, and may have been cleared unread.
    known: Option<Values>,
    /// What the session itself was asked for: held back until the outcome of the request is known.
    intent: Intent,
    /// What was known of the session itself when it was read last, and when it expires.
    found: Option<(Attributes, OffsetDateTime)>,
    /// Changes of the `Session` that are held back with a change of id.
    unsaved: Changes,
    /// The session's own expiry, which the `Session` shows since it was read.
    own_expiry: Option<Expiry>,
    /// An expiry was asked for before the session was read, of which the `Session` may since have been given the layer's.
    expiry_is_asked: bool,
    /// The request has ended: what is saved now is collected.
    collecting: bool,
    /// What the `Session` held at `Session::delete`, after which it holds the same and keeps its id.
    deleted: Option<Values>,
    /// Whether it holds more by now.
    adds_to_deleted: bool,
    /// Why the last access to the session failed.
    error: Option<Error>,
}

impl Open {
    fn state(&mut self) -> &mut State {
        let had_id = self.had_id;
        self.state.get_or_insert_with(|| {
            let known = if had_id { None } else { Some(Values::new()) };
            Box::new(State { known, ..State::default() })
        })
    }

    /// What was asked for, as far as it can be told without a wait.
    fn intent(&self) -> Intent {
        let Some(state) = &self.state else { return Intent::default() };
        // After `Session::cycle_id` it no longer tells of a `flush`: it has no id to delete.
        let emptied = state.known.as_ref().is_none_or(|known| !known.is_empty());
        let ended = state.intent.cycle_id && emptied && is_empty(&self.session);
        Intent { flush: state.intent.flush || ended, ..state.intent.clone() }
    }

    /// The expiry that the `Session` was given, if it was.
    #[allow(clippy::option_option, reason = "no expiry of its own is an expiry to ask for")]
    fn expiry(&self) -> Option<Option<Expiry>> {
        let of_layer = self.live.settings().lifetimes.expiry;
        let state = self.state.as_ref();
        let shown = state.and_then(|state| state.own_expiry).or(of_layer);
        let now = self.session.expiry();
        let is_asked = named(now) != named(shown) || state.is_some_and(|state| state.expiry_is_asked);
        is_asked.then(|| Some(named(now)).filter(|now| *now != named(of_layer)))
    }

    /// Notes what the `Session` is given to read.
    fn note_read(&mut self, loaded: Option<&Loaded>, values: &Values) {
        let of_layer = self.live.settings().lifetimes.expiry;
        let own = loaded.and_then(|loaded| loaded.attributes.expiry);
        let session = self.session.clone();
        let state = self.state();
        let is_first = state.known.replace(values.clone()).is_none();
        state.found = loaded.map(|loaded| (loaded.attributes.clone(), loaded.expires));
        if !is_first {
            return;
        }
        if session.expiry() != of_layer {
            state.expiry_is_asked = true;
            return;
        }
        let Some(own) = own else { return };
        if session.is_modified() {
            state.expiry_is_asked = true;
        } else {
            state.own_expiry = Some(own);
            session.set_expiry(Some(own));
        }
    }

    /// Notes what the `Session` changed since it was read or saved last.
    fn note_changes(&mut self, record: &Record) -> Result<(), Error> {
        let state = self.state();
        let known = state.known.get_or_insert_default();
        let changes = changed_keys(|key| known.get(key), known.keys(), &record.data);
        readable(&changes)?;
        known.clone_from(&record.data);
        add(&mut state.unsaved, changes);
        Ok(())
    }

    /// What to save at once, unless it is held back.
    fn work(&mut self, begin: bool) -> Option<Work> {
        let expiry = self.expiry();
        let is_stored = self.live.is_stored();
        let state = self.state();
        let cycles = state.intent.cycle_id;
        if state.collecting || (cycles && is_stored) {
            return None;
        }
        let changes = std::mem::take(&mut state.unsaved);
        let mut work = Work { even_if_unchanged: begin, ..self.saving(changes, expiry) };
        // Where one begins there is no id to change: but somebody is logged in.
        work.intent.cycle_id = cycles;
        Some(work)
    }

    /// A save of these changes. It renews the session's life even if there are none.
    #[allow(clippy::option_option, reason = "no expiry of its own is an expiry to ask for")]
    fn saving(&self, changes: Changes, expiry: Option<Option<Expiry>>) -> Work {
        let mut work = Work::of(changes);
        work.intent.expiry = expiry;
        let found = self.state.as_ref().and_then(|state| state.found.as_ref());
        if let Some((attributes, expires)) = found {
            work.touch = self.live.settings().lifetimes.renewed(attributes, *expires, clock::now());
            work.attributes = Some(attributes.clone());
        }
        work
    }

    /// The session was ended at the `Session`'s word: what it holds from now on is another one's.
    fn begin_anew(&mut self) {
        let state = self.state();
        state.intent = Intent::default();
        state.known = Some(Values::new());
        state.unsaved.clear();
        (state.own_expiry, state.found, state.deleted) = (None, None, None);
    }
}

impl fmt::Debug for PlainStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainStore").finish_non_exhaustive()
    }
}

impl PlainStore {
    /// The view and the `Session` of a request.
    pub(super) fn new(
        live: Arc<LiveSession>,
        intents: Arc<Intents>,
        layer: Arc<LayerSettings>,
        shown: Option<Id>,
    ) -> (Arc<Self>, Session) {
        let expiry = live.settings().lifetimes.expiry;
        let plain = Arc::new(Self { open: Mutex::new(None) });
        let session = Session::new(shown, Arc::clone(&plain), expiry);
        let had_id = shown.is_some();
        *plain.open.lock() =
            Some(Open { live, intents, layer, session: session.clone(), had_id, state: None });
        (plain, session)
    }

    /// Whether an outer layer serves the session of a request already: by the same cookie, in the same backend.
    pub(super) fn is_of(head: &Parts, backend: &Arc<dyn Backend>, layer: &Arc<LayerSettings>) -> bool {
        let Some(outer) = head.extensions.get::<Arc<Self>>() else { return false };
        let outer = outer.open.lock();
        let Some(outer) = outer.as_ref().filter(|outer| outer.layer.cookie.name == layer.cookie.name) else {
            return false;
        };
        let is_same = outer.live.registry().is(backend.registry());
        if is_same && !Arc::ptr_eq(&outer.layer, layer) {
            layer.warn_of_outer_layer(&outer.layer);
        }
        is_same
    }

    /// The session of the request, and what is asked of it, until the request is over.
    pub(crate) fn request(&self) -> Option<(Arc<LiveSession>, Arc<Intents>)> {
        self.open.lock().as_ref().map(|open| (Arc::clone(&open.live), Arc::clone(&open.intents)))
    }

    /// Whether the `Session` was read or written.
    pub(crate) fn was_used(&self) -> bool {
        self.open.lock().as_ref().is_some_and(|open| open.state.is_some())
    }

    /// Ends the view. What it was asked for and has not carried out is given back.
    pub(crate) fn close(&self) -> Intent {
        self.open.lock().take().map(|open| open.intent()).unwrap_or_default()
    }

    /// What the `Session` was asked for, at the end of its request. `good`: what it changed is saved.
    pub(crate) async fn intent(&self, good: bool) -> Result<Intent, Error> {
        let asked = |open: &mut Open| {
            let flushed = open.state.as_ref().is_some_and(|state| state.intent.flush);
            (Arc::clone(&open.live), open.intent(), !flushed && is_empty(&open.session))
        };
        let Ok((live, mut intent, may_have_ended)) = self.with(asked) else { return Ok(Intent::default()) };
        if good && intent.cycle_id && may_have_ended {
            // A `Session` that is empty and has no id has ended; unless somebody else has written to it.
            let Some(loaded) = load(&live).await? else { return Ok(intent) };
            intent.flush = self.with(|open| open.state().is_emptied(&loaded)).unwrap_or_default();
        }
        Ok(intent)
    }

    /// What the `Session` changed and has not saved, at the end of its request, and the expiry that it was given.
    pub(crate) async fn collect(&self, session: &Session) -> Result<Work, Error> {
        if session.is_modified() && (!is_empty(session) || self.cycles()) {
            self.with(|open| open.state().collecting = true).ok();
            if let Err(error) = session.save().await {
                let known = self.with(|open| open.state().error.take()).ok().flatten();
                return Err(known.unwrap_or_else(|| store_failed(error)));
            }
        }
        let collected = self.with(|open| {
            let changes = open.state.as_mut().map(|state| std::mem::take(&mut state.unsaved));
            let changes = changes.unwrap_or_default();
            if session.is_modified() { open.saving(changes, open.expiry()) } else { Work::of(changes) }
        });
        Ok(collected.unwrap_or_else(|_| Work::of(Changes::new())))
    }

    /// Whether another session begins, after `Session::flush`. If so, from now on the `Session` is that one.
    pub(crate) fn begins_anew(&self, session: &Session) -> bool {
        let begins = |open: &mut Open| {
            let flushed = open.state.as_ref().is_some_and(|state| state.intent.flush);
            let begins = flushed && session.id().is_none() && !is_empty(session);
            if begins {
                open.begin_anew();
            }
            begins
        };
        self.with(begins).unwrap_or_default()
    }

    /// Whether the `Session` was given values after `Session::delete`. It still holds those of the session that has
    /// ended, so that no other one begins with them.
    pub(crate) async fn adds_to_what_ended(&self, session: &Session) -> bool {
        let may_add = |open: &mut Open| {
            let state = open.state.as_mut().filter(|state| state.deleted.is_some())?;
            state.collecting = true;
            Some(())
        };
        // After `Session::flush` it has no id, and is empty.
        if !session.is_modified() || session.id().is_none() || self.with(may_add).ok().flatten().is_none() {
            return false;
        }
        session.save().await.ok();
        self.with(|open| open.state().adds_to_deleted).unwrap_or_default()
    }

    fn cycles(&self) -> bool {
        self.with(|open| open.state.as_ref().is_some_and(|state| state.intent.cycle_id)).unwrap_or_default()
    }

    /// What is there until the request is over.
    fn with<R>(&self, act: impl FnOnce(&mut Open) -> R) -> session_store::Result<R> {
        self.open.lock().as_mut().map(act).ok_or_else(|| {
            session_store::Error::Backend(
                "this `Session` was kept past its request: take a fresh one, or use `Shared`".to_owned(),
            )
        })
    }

    fn live(&self) -> session_store::Result<Arc<LiveSession>> {
        self.with(|open| Arc::clone(&open.live))
    }

    /// Writes the keys that differ from what was read.
    async fn write(&self, record: &Record, begin: bool) -> session_store::Result<()> {
        let live = self.live()?;
        if self.with(|open| open.state().known.is_none())? {
            // It was cleared unread: all that is there goes.
            let loaded = load(&live).await.map_err(|error| self.refused(error))?;
            let values = loaded.as_ref().map(values_of).unwrap_or_default();
            self.with(|open| open.note_read(loaded.as_ref(), &values))?;
        }
        let noted = self.with(|open| {
            let state = open.state();
            let before = (state.known.clone(), state.unsaved.clone());
            open.note_changes(record).map(|()| (before, open.work(begin)))
        })?;
        let (before, work) = noted.map_err(|error| self.refused(error))?;
        let Some(work) = work else { return Ok(()) };
        match live.commit(work, None).outcome().await {
            Ok(()) => self.with(|open| {
                let saved = Some(named(open.session.expiry()));
                let state = open.state();
                (state.own_expiry, state.expiry_is_asked, state.intent.cycle_id) = (saved, false, false);
                // It is another one by now.
                state.found = None;
            }),
            Err(error) => {
                // The next save finds the same changes.
                self.with(|open| (open.state().known, open.state().unsaved) = before)?;
                Err(self.refused(error))
            }
        }
    }

    fn refused(&self, error: Error) -> session_store::Error {
        let text = error.to_string();
        self.with(|open| open.state().error = Some(error)).ok();
        session_store::Error::Backend(text)
    }
}

/// An error if what is to be stored could not be read again.
fn readable(changes: &Changes) -> Result<(), Error> {
    let too_deep = |change: &Change| matches!(change, Change::Set(value) if !has_at_most(value, LEVELS));
    match changes.iter().find(|(_, change)| too_deep(change)) {
        None => Ok(()),
        Some((key, _)) => Err(Error::with_text(
            ErrorKind::Encode,
            format!(
                "the value under `{key}` cannot be stored: it is nested too deep: more than {LEVELS} levels cannot be read back"
            ),
        )),
    }
}

impl State {
    /// Takes a save of a `Session` that was deleted. Whether it is to be told so.
    fn refuses(&mut self, record: &Record) -> bool {
        match &self.deleted {
            None => self.deleted = Some(record.data.clone()),
            Some(deleted) if self.collecting => {
                self.adds_to_deleted = record.data.iter().any(|(key, value)| deleted.get(key) != Some(value));
            }
            Some(_) => return true,
        }
        false
    }

    /// Whether nothing is left of what is stored but what the `Session` has removed.
    fn is_emptied(&self, stored: &Loaded) -> bool {
        let held_back = |key: &str| self.unsaved.iter().any(|(changed, _)| changed == key);
        let removed =
            |key: &str| held_back(key) || self.known.as_ref().is_none_or(|known| known.contains_key(key));
        // A session that nobody wrote to yet is a handshake's: it goes on.
        let is_new = stored.attributes.provisional && stored.values.is_empty();
        !is_new && stored.values.iter().all(|(key, _)| removed(key))
    }
}

#[async_trait]
impl SessionStore for PlainStore {
    /// A session begins; or goes on under another id, after `Session::cycle_id`; or a handler of the same
    /// request has begun it already.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let (live, flushed, cycles, collecting) = self.with(|open| {
            let live = Arc::clone(&open.live);
            let state = open.state();
            (live, state.intent.flush, state.intent.cycle_id, state.collecting)
        })?;
        if flushed {
            if collecting {
                // Of a `Session` that was deleted unread, and holds nothing.
                return Ok(());
            }
            live.end(None).outcome().await.map_err(|error| self.refused(error))?;
            self.with(Open::begin_anew)?;
        }
        live.resolve().await.map_err(|error| self.refused(error))?;
        let cycles = cycles && !flushed && live.is_stored();
        self.write(record, true).await?;
        record.id = if cycles { live.next_id() } else { live.id() }.expose();
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        // `Session::delete` leaves the `Session` its id. Nothing brings the session back.
        let [flushed, refused] = self.with(|open| {
            let state = open.state();
            [state.intent.flush, state.intent.flush && state.refuses(record)]
        })?;
        if refused {
            return Err(self.refused(Error::new(ErrorKind::SessionEnded)));
        }
        if flushed { Ok(()) } else { self.write(record, false).await }
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        let live = self.live()?;
        let (flushed, deletes) =
            self.with(|open| (open.state().intent.flush, open.state().deleted.is_none()))?;
        if flushed {
            if deletes {
                // `delete` looks at what the `Session` holds, and does not wait: it was not read, and stays so.
                tokio::task::yield_now().await;
            }
            return Ok(None);
        }
        let loaded = load(&live).await.map_err(|error| self.refused(error))?;
        let Some(loaded) = loaded else {
            self.with(|open| open.note_read(None, &Values::new()))?;
            return Ok(None);
        };
        let mut data = values_of(&loaded);
        let id = self.with(|open| {
            let state = open.state();
            for (key, change) in &state.unsaved {
                if let Ok(Some(value)) = change.clone().into_json(data.remove(&**key)) {
                    data.insert(key.to_string(), value);
                }
            }
            let id = if state.intent.cycle_id { live.next_id() } else { live.id() };
            open.note_read(Some(&loaded), &data);
            id
        })?;
        Ok(Some(Record { id: id.expose(), data, expiry_date: loaded.expires }))
    }

    /// `Session::cycle_id` forgets its id before it deletes; `Session::flush` (and `delete`) after it.
    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        let changed = self.with(|open| {
            if open.session.id().is_none() {
                open.state().intent.cycle_id = true;
                return None;
            }
            let changed = open.session.is_modified();
            let state = open.state();
            state.intent.flush = true;
            state.deleted = if changed { None } else { Some(state.known.clone().unwrap_or_default()) };
            changed.then(|| open.session.clone())
        })?;
        if let Some(session) = changed {
            // Only a save tells what it holds, if it was read.
            tokio::task::unconstrained(session.save()).now_or_never();
            self.with(|open| {
                let State { deleted, known, .. } = open.state();
                deleted.get_or_insert_with(|| known.clone().unwrap_or_default());
            })?;
        }
        Ok(())
    }
}

/// All that is stored, if there is a session.
async fn load(live: &Arc<LiveSession>) -> Result<Option<Loaded>, Error> {
    loop {
        match live.load(Keys::All).await? {
            Lookup::Found(loaded) => return Ok(Some(loaded)),
            Lookup::Nothing => return Ok(None),
            Lookup::Renamed => {}
        }
    }
}

/// To a `Session`, none at all is the end of the browser's session.
fn named(expiry: Option<Expiry>) -> Expiry {
    expiry.unwrap_or(Expiry::OnSessionEnd)
}

fn values_of(loaded: &Loaded) -> Values {
    loaded.values.iter().map(|(key, value)| (key.to_string(), value.json().clone())).collect()
}

/// Whether the `Session` holds nothing and has no id. Nobody holds its lock for long.
fn is_empty(session: &Session) -> bool {
    tokio::task::unconstrained(session.is_empty()).now_or_never().unwrap_or_default()
}

/// Adds later changes.
fn add(changes: &mut Changes, later: Changes) {
    for (key, change) in later {
        changes.retain(|(earlier, _)| *earlier != key);
        changes.push((key, change));
    }
}

fn store_failed(error: session::Error) -> Error {
    Error::new(crate::error::ErrorKind::Backend).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::MemoryBackend;

    #[test]
    fn once_its_request_is_over_it_keeps_nothing_alive() {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
        let live = Arc::new(LiveSession::new(backend, Arc::default(), None));
        let intents = Arc::new(Intents::new(true));
        // The extensions of a handshake keep both for as long as its connection lives.
        let (plain, _session) =
            PlainStore::new(Arc::clone(&live), Arc::clone(&intents), Arc::default(), None);
        assert!(plain.request().is_some());
        plain.close();
        assert!(plain.request().is_none());
        assert_eq!((Arc::strong_count(&live), Arc::strong_count(&intents)), (1, 1));
    }
}
