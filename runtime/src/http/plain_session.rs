//! The `tower_sessions::Session` of one request: a store view that remembers what was loaded, so that a save is
//! a set of writes to the keys that changed.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
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
    call::{
        commit::Work,
        connection::Binding,
        control::{Asked, Requests},
        live_session::{Handle, Lookup},
    },
    error::Error,
    session::change::{Changes, changed_keys},
};

/// What a plain `Session` of one request reads from and saves to. A connection keeps the extensions of its handshake,
/// and in them the `Session` and this: so it holds little once the request is over.
pub(crate) struct RequestView {
    /// `None`: the request is over, and a copy of the `Session` that is kept past it is refused.
    open: Mutex<Option<Open>>,
    /// What a handshake leaves for its sockets.
    binding: OnceLock<Binding>,
}

struct Open {
    handle: Arc<Handle>,
    requests: Arc<Requests>,
    /// Whose view this is.
    session: Session,
    /// Boxed: most requests use no plain `Session`.
    state: Option<Box<State>>,
}

#[derive(Default)]
struct State {
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

impl Open {
    fn state(&mut self) -> &mut State {
        self.state.get_or_insert_default()
    }

    /// What to write, unless it is held back.
    fn work(&mut self, record: &Record, begin: bool) -> Option<(Arc<Handle>, Work)> {
        let state = self.state.get_or_insert_default();
        let loaded = &state.loaded;
        let changes = changed_keys(|key| loaded.get(key), loaded.keys(), &record.data);
        state.loaded.clone_from(&record.data);
        merge(&mut state.held_back, changes);
        if state.asked.cycle_id && !state.concluding {
            return None;
        }
        let settings = self.handle.settings();
        let mut work = Work::of(std::mem::take(&mut state.held_back));
        work.asked.cycle_id = std::mem::take(&mut state.asked.cycle_id);
        let expiry = self.session.expiry();
        if expiry != settings.lifetimes.expiry {
            work.asked.expiry = Some(expiry);
        }
        work.even_if_unchanged = begin || settings.always_save;
        Some((Arc::clone(&self.handle), work))
    }
}

impl fmt::Debug for RequestView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView").finish_non_exhaustive()
    }
}

impl RequestView {
    /// The view and the `Session` of a request.
    pub(crate) fn new(
        handle: Arc<Handle>,
        requests: Arc<Requests>,
        shown: Option<Id>,
    ) -> (Arc<Self>, Session) {
        let expiry = handle.settings().lifetimes.expiry;
        let view = Arc::new(Self { open: Mutex::new(None), binding: OnceLock::new() });
        let session = Session::new(shown, Arc::clone(&view), expiry);
        *view.open.lock() = Some(Open { handle, requests, session: session.clone(), state: None });
        (view, session)
    }

    /// The session of the request, and what is asked of it, until the request is over.
    pub(crate) fn request(&self) -> Option<(Arc<Handle>, Arc<Requests>)> {
        self.open.lock().as_ref().map(|open| (Arc::clone(&open.handle), Arc::clone(&open.requests)))
    }

    /// Leaves something for the sockets of the connection that the request opens.
    pub(crate) fn bind(&self, binding: Binding) {
        self.binding.get_or_init(|| binding);
    }

    /// What the request left for the sockets of its connection.
    pub(crate) fn binding(&self) -> Option<&Binding> {
        self.binding.get()
    }

    /// Whether the `Session` was read or written.
    pub(crate) fn was_used(&self) -> bool {
        self.open.lock().as_ref().is_some_and(|open| open.state.is_some())
    }

    /// Ends the view. What it was asked for and has not carried out is given back.
    pub(crate) fn close(&self) -> Asked {
        let open = self.open.lock().take();
        open.and_then(|open| open.state).map(|state| state.asked).unwrap_or_default()
    }

    /// Saves what the `Session` changed, and carries out what it was asked for. `good`: the answer is no 5xx.
    pub(crate) async fn conclude(
        &self,
        handle: &Arc<Handle>,
        session: &Session,
        good: bool,
    ) -> Result<(), Error> {
        let save = session.is_modified() || handle.settings().always_save;
        if good && save && !session.is_empty().await {
            self.with(|open| open.state().concluding = true).ok();
            if let Err(error) = session.save().await {
                let stored = self.with(|open| open.state().error.take()).ok().flatten();
                return Err(stored.unwrap_or_else(|| store_failed(error)));
            }
        }
        let Some((asked, changes)) = self.take_held_back() else { return Ok(()) };
        if asked.flush {
            handle.end().await
        } else if good && (asked.anything() || !changes.is_empty()) {
            handle.commit(Work { asked, ..Work::of(changes) }, None).await
        } else {
            Ok(())
        }
    }

    fn take_held_back(&self) -> Option<(Asked, Changes)> {
        let mut open = self.open.lock();
        let state = open.as_mut()?.state.as_mut()?;
        Some((std::mem::take(&mut state.asked), std::mem::take(&mut state.held_back)))
    }

    /// What is there until the request is over.
    fn with<R>(&self, act: impl FnOnce(&mut Open) -> R) -> session_store::Result<R> {
        self.open.lock().as_mut().map(act).ok_or_else(|| {
            session_store::Error::Backend(
                "this `Session` was kept past its request: take a fresh one, or use `Shared`".to_owned(),
            )
        })
    }

    fn handle(&self) -> session_store::Result<Arc<Handle>> {
        self.with(|open| Arc::clone(&open.handle))
    }

    /// Writes the keys that differ from what was loaded.
    async fn write(&self, record: &Record, begin: bool) -> session_store::Result<()> {
        let Some((handle, work)) = self.with(|open| open.work(record, begin))? else { return Ok(()) };
        handle.commit(work, None).await.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: Error) -> session_store::Error {
        let text = error.to_string();
        self.with(|open| open.state().error = Some(error)).ok();
        session_store::Error::Backend(text)
    }
}

#[async_trait]
impl SessionStore for RequestView {
    /// A session begins; or goes on under another id, after `Session::cycle_id`; or a handler of the same
    /// request has begun it already.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let (handle, flush, cycle) = self.with(|open| {
            let asked = &mut open.state().asked;
            let (flush, cycle) = (std::mem::take(&mut asked.flush), asked.cycle_id);
            if flush {
                open.state().loaded.clear();
            }
            (Arc::clone(&open.handle), flush, cycle)
        })?;
        if flush {
            handle.end().await.map_err(|error| self.refused(error))?;
        }
        handle.resolve().await.map_err(|error| self.refused(error))?;
        let cycles = cycle && !flush && handle.is_stored();
        record.id = if cycles { handle.next_id() } else { handle.id() }.expose();
        self.write(record, true).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.write(record, false).await
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        let handle = self.handle()?;
        if self.with(|open| open.state().asked.flush)? {
            return Ok(None);
        }
        let loaded = loop {
            match handle.load(Keys::All).await.map_err(|error| self.refused(error))? {
                Lookup::Found(loaded) => break loaded,
                Lookup::Nothing => return Ok(None),
                Lookup::Renamed => {}
            }
        };
        let data: HashMap<_, _> =
            loaded.values.into_iter().map(|(key, value)| (key.into_owned(), value.json().clone())).collect();
        self.with(|open| open.state().loaded.clone_from(&data))?;
        Ok(Some(Record { id: handle.id().expose(), data, expiry_date: loaded.expires }))
    }

    /// `Session::cycle_id` forgets its id before it deletes; `Session::flush` (and `delete`) after it.
    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        self.with(|open| {
            if open.session.id().is_none() {
                open.state().asked.cycle_id = true;
            } else {
                open.state().asked.flush = true;
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
        let handle = Arc::new(Handle::new(backend, Arc::default(), None));
        let requests = Arc::new(Requests::new(true));
        // The extensions of a handshake keep both for as long as its connection lives.
        let (view, _session) = RequestView::new(Arc::clone(&handle), Arc::clone(&requests), None);
        assert!(view.request().is_some());
        view.close();
        assert!(view.request().is_none());
        assert_eq!((Arc::strong_count(&handle), Arc::strong_count(&requests)), (1, 1));
    }
}
