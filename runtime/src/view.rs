//! The `tower_sessions::Session` of one request: a store view that remembers what was loaded, so that a save is
//! a set of writes to the keys that changed.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

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
    change::{Changes, changed_keys},
    control::Asked,
    error::Error,
    handle::{Handle, Lookup, Work},
};

/// What a plain `Session` of one request reads from and saves to.
pub(crate) struct RequestView {
    handle: Arc<Handle>,
    state: Mutex<State>,
    /// The request is over: a copy of the `Session` that is kept past it is refused.
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Whose view this is; taken out when the request ends, for the session holds the view too.
    session: Option<Session>,
    loaded: HashMap<String, Value>,
    /// What the session itself was asked for: held back until the outcome of the request is known.
    asked: Asked,
    /// Changes that were saved after a change of id that is held back.
    held_back: Changes,
    /// The outcome is known, and good.
    concluding: bool,
    /// Why the last save failed.
    error: Option<Error>,
}

impl fmt::Debug for RequestView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView").finish_non_exhaustive()
    }
}

impl RequestView {
    /// The view and the `Session` of a request.
    pub(crate) fn new(handle: Arc<Handle>, shown: Option<Id>) -> (Arc<Self>, Session) {
        let expiry = handle.config().expiry;
        let view = Arc::new(Self { handle, state: Mutex::default(), closed: AtomicBool::new(false) });
        let session = Session::new(shown, Arc::clone(&view), expiry);
        view.state.lock().session = Some(session.clone());
        (view, session)
    }

    /// Ends the view. What it was asked for and has not carried out is given back.
    pub(crate) fn close(&self) -> Asked {
        self.closed.store(true, Ordering::Release);
        let mut state = self.state.lock();
        state.session = None;
        std::mem::take(&mut state.asked)
    }

    /// Saves what the `Session` changed, and carries out what it was asked for. `good`: the answer is no 5xx.
    pub(crate) async fn conclude(&self, good: bool) -> Result<(), Error> {
        let Some(session) = self.state.lock().session.clone() else { return Ok(()) };
        let save = session.is_modified() || self.handle.config().always_save;
        if good && save && !session.is_empty().await {
            self.state.lock().concluding = true;
            if let Err(error) = session.save().await {
                let stored = self.state.lock().error.take();
                return Err(stored.unwrap_or_else(|| store_failed(error)));
            }
        }
        let (asked, changes) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.asked), std::mem::take(&mut state.held_back))
        };
        if asked.flush {
            self.handle.end().await
        } else if good && (asked.anything() || !changes.is_empty()) {
            self.handle.commit(Work { asked, ..Work::of(changes) }, None).await
        } else {
            Ok(())
        }
    }

    fn open(&self) -> session_store::Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(session_store::Error::Backend(
                "this `Session` was kept past its request: take a fresh one, or use `Shared`".to_owned(),
            ));
        }
        Ok(())
    }

    /// Writes the keys that differ from what was loaded.
    async fn write(&self, record: &Record, begin: bool) -> session_store::Result<()> {
        let mut work = {
            let mut state = self.state.lock();
            let loaded = &state.loaded;
            let changes = changed_keys(|key| loaded.get(key), loaded.keys(), &record.data);
            state.loaded.clone_from(&record.data);
            if state.asked.cycle_id && !state.concluding {
                merge(&mut state.held_back, changes);
                return Ok(());
            }
            let mut work = Work::of(changes);
            work.asked.cycle_id = std::mem::take(&mut state.asked.cycle_id);
            let expiry = state.session.as_ref().and_then(Session::expiry);
            if expiry != self.handle.config().expiry {
                work.asked.expiry = Some(expiry);
            }
            let mut held_back = std::mem::take(&mut state.held_back);
            merge(&mut held_back, std::mem::take(&mut work.changes));
            work.changes = held_back;
            work
        };
        work.even_if_unchanged = begin || self.handle.config().always_save;
        self.handle.commit(work, None).await.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: Error) -> session_store::Error {
        let text = error.to_string();
        self.state.lock().error = Some(error);
        session_store::Error::Backend(text)
    }
}

#[async_trait]
impl SessionStore for RequestView {
    /// A session begins; or goes on under another id, after `Session::cycle_id`; or a handler of the same
    /// request has begun it already.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.open()?;
        let (flush, cycle) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.asked.flush), state.asked.cycle_id)
        };
        if flush {
            self.state.lock().loaded.clear();
            self.handle.end().await.map_err(|error| self.refused(error))?;
        }
        self.handle.resolve().await.map_err(|error| self.refused(error))?;
        let cycles = cycle && !flush && self.handle.is_stored();
        record.id = if cycles { self.handle.next_id() } else { self.handle.id() }.expose();
        self.write(record, true).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.open()?;
        self.write(record, false).await
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        self.open()?;
        if self.state.lock().asked.flush {
            return Ok(None);
        }
        let loaded = loop {
            match self.handle.load(Keys::All).await.map_err(|error| self.refused(error))? {
                Lookup::Found(loaded) => break loaded,
                Lookup::Nothing => return Ok(None),
                Lookup::Renamed => {}
            }
        };
        let data: HashMap<_, _> =
            loaded.values.into_iter().map(|(key, value)| (key.into_owned(), value.json().clone())).collect();
        self.state.lock().loaded.clone_from(&data);
        Ok(Some(Record { id: self.handle.id().expose(), data, expiry_date: loaded.expires }))
    }

    /// `Session::cycle_id` forgets its id before it deletes; `Session::flush` (and `delete`) after it.
    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        self.open()?;
        let mut state = self.state.lock();
        let cycles = state.session.as_ref().is_some_and(|session| session.id().is_none());
        if cycles {
            state.asked.cycle_id = true;
        } else {
            state.asked.flush = true;
        }
        Ok(())
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
