//! The `tower_sessions::Session` of one request: a store view that remembers what was loaded, so that a save is
//! a set of writes to the keys that changed.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tower_sessions::{
    Session, SessionStore,
    session::{self, Id, Record},
    session_store,
};

use crate::{
    backend::Keys,
    call::{
        commit::Work,
        intents::{Intent, Intents},
        live_session::{LiveSession, Lookup},
    },
    error::Error,
    session::change::{Changes, changed_keys},
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
    /// Whose view this is.
    session: Session,
    /// Boxed: most requests use no plain `Session`.
    state: Option<Box<State>>,
}

#[derive(Default)]
struct State {
    loaded: HashMap<String, Value>,
    /// What the session itself was asked for: held back until the outcome of the request is known.
    intent: Intent,
    /// Changes that were saved after a change of id that is held back.
    held_back: Changes,
    /// The outcome is known, and good.
    concluding: bool,
    /// Why the last save failed.
    error: Option<Error>,
}

impl Open {
    fn state(&mut self) -> &mut State {
        self.state.get_or_insert_default()
    }

    /// What to write, unless it is held back.
    fn work(&mut self, record: &Record, begin: bool) -> Option<(Arc<LiveSession>, Work)> {
        let state = self.state.get_or_insert_default();
        let loaded = &state.loaded;
        let changes = changed_keys(|key| loaded.get(key), loaded.keys(), &record.data);
        state.loaded.clone_from(&record.data);
        merge(&mut state.held_back, changes);
        if state.intent.cycle_id && !state.concluding {
            return None;
        }
        let settings = self.live.settings();
        let mut work = Work::of(std::mem::take(&mut state.held_back));
        work.intent.cycle_id = std::mem::take(&mut state.intent.cycle_id);
        let expiry = self.session.expiry();
        if expiry != settings.lifetimes.expiry {
            work.intent.expiry = Some(expiry);
        }
        work.even_if_unchanged = begin || settings.always_save;
        Some((Arc::clone(&self.live), work))
    }
}

impl fmt::Debug for PlainStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView").finish_non_exhaustive()
    }
}

impl PlainStore {
    /// The view and the `Session` of a request.
    pub(crate) fn new(
        live: Arc<LiveSession>,
        intents: Arc<Intents>,
        shown: Option<Id>,
    ) -> (Arc<Self>, Session) {
        let expiry = live.settings().lifetimes.expiry;
        let plain = Arc::new(Self { open: Mutex::new(None) });
        let session = Session::new(shown, Arc::clone(&plain), expiry);
        *plain.open.lock() = Some(Open { live, intents, session: session.clone(), state: None });
        (plain, session)
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
        let open = self.open.lock().take();
        open.and_then(|open| open.state).map(|state| state.intent).unwrap_or_default()
    }

    /// Saves what the `Session` changed, and carries out what it was asked for. `good`: the answer is no 5xx.
    pub(crate) async fn conclude(
        &self,
        live: &Arc<LiveSession>,
        session: &Session,
        good: bool,
    ) -> Result<(), Error> {
        let save = session.is_modified() || live.settings().always_save;
        if good && save && !session.is_empty().await {
            self.with(|open| open.state().concluding = true).ok();
            if let Err(error) = session.save().await {
                let stored = self.with(|open| open.state().error.take()).ok().flatten();
                return Err(stored.unwrap_or_else(|| store_failed(error)));
            }
        }
        let Some((intent, changes)) = self.take_held_back() else { return Ok(()) };
        if intent.flush {
            live.end().outcome().await
        } else if good && (intent.anything() || !changes.is_empty()) {
            live.commit(Work { intent, ..Work::of(changes) }, None).outcome().await
        } else {
            Ok(())
        }
    }

    fn take_held_back(&self) -> Option<(Intent, Changes)> {
        let mut open = self.open.lock();
        let state = open.as_mut()?.state.as_mut()?;
        Some((std::mem::take(&mut state.intent), std::mem::take(&mut state.held_back)))
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

    /// Writes the keys that differ from what was loaded.
    async fn write(&self, record: &Record, begin: bool) -> session_store::Result<()> {
        let Some((live, work)) = self.with(|open| open.work(record, begin))? else { return Ok(()) };
        live.commit(work, None).outcome().await.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: Error) -> session_store::Error {
        let text = error.to_string();
        self.with(|open| open.state().error = Some(error)).ok();
        session_store::Error::Backend(text)
    }
}

#[async_trait]
impl SessionStore for PlainStore {
    /// A session begins; or goes on under another id, after `Session::cycle_id`; or a handler of the same
    /// request has begun it already.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let (live, flush, cycle) = self.with(|open| {
            let intent = &mut open.state().intent;
            let (flush, cycle) = (std::mem::take(&mut intent.flush), intent.cycle_id);
            if flush {
                open.state().loaded.clear();
            }
            (Arc::clone(&open.live), flush, cycle)
        })?;
        if flush {
            live.end().outcome().await.map_err(|error| self.refused(error))?;
        }
        live.resolve().await.map_err(|error| self.refused(error))?;
        let cycles = cycle && !flush && live.is_stored();
        record.id = if cycles { live.next_id() } else { live.id() }.expose();
        self.write(record, true).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.write(record, false).await
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        let live = self.live()?;
        if self.with(|open| open.state().intent.flush)? {
            return Ok(None);
        }
        let loaded = loop {
            match live.load(Keys::All).await.map_err(|error| self.refused(error))? {
                Lookup::Found(loaded) => break loaded,
                Lookup::Nothing => return Ok(None),
                Lookup::Renamed => {}
            }
        };
        let data: HashMap<_, _> =
            loaded.values.into_iter().map(|(key, value)| (key.into_owned(), value.json().clone())).collect();
        self.with(|open| open.state().loaded.clone_from(&data))?;
        Ok(Some(Record { id: live.id().expose(), data, expiry_date: loaded.expires }))
    }

    /// `Session::cycle_id` forgets its id before it deletes; `Session::flush` (and `delete`) after it.
    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        self.with(|open| {
            if open.session.id().is_none() {
                open.state().intent.cycle_id = true;
            } else {
                open.state().intent.flush = true;
            }
        })
    }
}

fn merge(into: &mut Changes, changes: Changes) {
    for (key, change) in changes {
        into.retain(|(earlier, _)| *earlier != key);
        into.push((key, change));
    }
}

fn store_failed(error: session::Error) -> Error {
    Error::new(crate::error::ErrorKind::Backend).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Backend, MemoryBackend};

    #[test]
    fn once_its_request_is_over_it_keeps_nothing_alive() {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
        let live = Arc::new(LiveSession::new(backend, Arc::default(), None));
        let intents = Arc::new(Intents::new(true));
        // The extensions of a handshake keep both for as long as its connection lives.
        let (plain, _session) = PlainStore::new(Arc::clone(&live), Arc::clone(&intents), None);
        assert!(plain.request().is_some());
        plain.close();
        assert!(plain.request().is_none());
        assert_eq!((Arc::strong_count(&live), Arc::strong_count(&intents)), (1, 1));
    }
}
