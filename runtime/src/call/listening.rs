//! Whoever listens to a session without a socket: it hears when a state has changed, and how the session ends.

use std::{
    future::Future,
    pin::Pin,
    ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream::unfold};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    access::{Access as _, Read, States},
    live_session::{LiveSession, Lookup},
};
use crate::{
    backend::{BackendError, Hearing, Keys},
    error::{Error, ErrorKind},
    panics::caught,
    process::{Ending, Listener, News, SessionSocket},
    session::{id::SessionId, state::SessionState, value::StoredValue},
};

/// The pause before the next try after a backend has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often it is looked whether a session has begun, while one may.
const LOOK: Duration = Duration::from_millis(20);

/// From now on this process hears what others commit to the session. `None`: it has ended here meanwhile.
pub(crate) async fn hear(live: &LiveSession, id: SessionId) -> Option<Hearing> {
    loop {
        let answer = timeout(live.settings().backend_timeout, live.backend().listen(id).into_future());
        match answer.await {
            Ok(Ok(hearing)) => return Some(hearing),
            Ok(Err(BackendError::Gone)) => return None,
            Ok(Err(_)) | Err(_) if live.id() != id => return None,
            Ok(Err(error)) => log_unheard(live, &error),
            Err(elapsed) => log_unheard(live, &elapsed),
        }
        sleep(AFTER_FAILURE).await;
    }
}

fn log_unheard(live: &LiveSession, error: &dyn std::fmt::Display) {
    live.registry().unheard().log(|left_out| {
        tracing::warn!(%error, left_out, "it cannot be heard what other processes commit; trying again");
    });
}

/// One that listens to a session, under the id that it has now. As sockets are, it is told of an end when the response that
/// brings it is out.
struct Ear {
    live: Arc<LiveSession>,
    id: SessionId,
    /// The state that it listens for, if it listens for one.
    key: Option<&'static str>,
    heard: Mutex<Heard>,
    woken: Notify,
}

#[derive(Default)]
struct Heard {
    changed: Option<Changed>,
    is_over: bool,
    /// How the session has ended, where that is known.
    ending: Option<Ending>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    Perhaps,
    Surely,
}

/// What an ear waits for.
enum Next {
    Changed(Changed),
    Ended(Option<Ending>),
}

impl Ear {
    /// Listens to the session that there is. `None`: there is none, and none can begin.
    async fn at(live: &Arc<LiveSession>, key: Option<&'static str>) -> Result<Option<Arc<Self>>, Error> {
        live.resolve().await?;
        while !live.is_stored() {
            if let Some(ending) = live.ended_before() {
                return Err(Error::new(ending.kind()));
            }
            if !live.may_begin() {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
        let (heard, woken) = Default::default();
        let ear = Arc::new(Self { live: Arc::clone(live), id: live.id(), key, heard, woken });
        let registry = live.registry();
        let socket = Arc::downgrade(&ear) as Weak<dyn SessionSocket>;
        match live.backend().owners().and_then(|owners| owners.stands_for(ear.id)) {
            Some(hidden) => registry.sockets().bind_as(hidden, ear.id, socket),
            None => registry.sockets().bind(ear.id, socket),
        }
        if key.is_some() {
            registry.listeners().add(ear.id, Arc::downgrade(&ear) as Weak<dyn Listener>);
        }
        // It may have ended before this one listened, and then nobody tells it.
        if let Err(error) = live.load(Keys::Only(&[])).await
            && error.says_that_the_session_is_over()
        {
            return Err(error);
        }
        // Its end is noticed as that of a session with sockets is.
        live.watch_unknown();
        if registry.is_shutting_down() {
            ear.ends(None);
        }
        Ok(Some(ear))
    }

    fn ends(&self, ended: Option<Ending>) {
        {
            let mut heard = self.heard.lock();
            heard.is_over = true;
            heard.ending = heard.ending.or(ended);
        }
        self.woken.notify_one();
    }

    async fn next(&self) -> Next {
        loop {
            {
                let mut heard = self.heard.lock();
                if heard.is_over {
                    return Next::Ended(heard.ending);
                }
                if let Some(changed) = heard.changed.take() {
                    return Next::Changed(changed);
                }
            }
            self.woken.notified().await;
        }
    }

    /// Waits for the end. How, where that is known.
    async fn over(&self) -> Option<Ending> {
        loop {
            {
                let heard = self.heard.lock();
                if heard.is_over {
                    return heard.ending;
                }
            }
            self.woken.notified().await;
        }
    }

    /// How the session has ended that is not there any more.
    fn ending(&self) -> Option<Ending> {
        self.live.ending_of(self.id).or(Some(Ending::Expired))
    }

    /// Whether the session goes on for this one: its own request has changed the id, or it is known by
    /// its key.
    async fn goes_on(&self, ended: Option<Ending>) -> bool {
        // By its key it can have another id since before this one listened, and is missed under the old one.
        let Some(ending) = ended else { return false };
        self.live.find_again(self.id).await
            || (ending == Ending::IdChanged && self.live.id() != self.id && self.live.is_stored())
    }
}

impl SessionSocket for Ear {
    fn leave_rooms(&self) {}

    fn disconnect(self: Arc<Self>, ended: Option<Ending>) {
        self.ends(ended);
    }

    fn close_server(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.ends(None);
        Box::pin(async {})
    }
}

impl Listener for Ear {
    fn hears(self: Arc<Self>, news: &News) {
        let changed = match news {
            News::Keys(keys) => {
                let concerns = keys.iter().any(|changed| Some(&*changed.key) == self.key);
                concerns.then_some(Changed::Surely)
            }
            News::Unknown => Some(Changed::Perhaps),
        };
        if changed.is_some() {
            let mut heard = self.heard.lock();
            heard.changed = heard.changed.max(changed);
            drop(heard);
            self.woken.notify_one();
        }
    }

    fn hears_no_more(self: Arc<Self>) {}
}

impl Drop for Ear {
    fn drop(&mut self) {
        let (registry, address) = (self.live.registry(), ptr::from_ref(self).cast());
        registry.sockets().unbind(self.id, address);
        registry.listeners().remove(self.id, address);
    }
}

/// Waits until the session has ended here. How, where that is known.
pub(crate) async fn ended(live: &Arc<LiveSession>) -> Option<Ending> {
    loop {
        let ear = match listen(live, None).await {
            Ok(ear) => ear,
            Err(ending) => return ending,
        };
        loop {
            match ear.next().await {
                Next::Ended(ended) if ear.goes_on(ended).await => break,
                Next::Ended(ended) => return ended,
                Next::Changed(_) => {}
            }
        }
    }
}

/// An ear, as soon as there is something to hear. Where nothing ever will be, it waits for the process's end. `Err`: the
/// session has ended already, or the process ends.
async fn listen(live: &Arc<LiveSession>, key: Option<&'static str>) -> Result<Arc<Ear>, Option<Ending>> {
    loop {
        let id = live.id();
        match Ear::at(live, key).await {
            Ok(Some(ear)) => return Ok(ear),
            Ok(None) => {
                live.registry().until_it_shuts_down().await;
                return Err(None);
            }
            Err(error) if error.says_that_the_session_is_over() && live.find_again(id).await => {}
            Err(error) if error.says_that_the_session_is_over() => {
                return Err(live.ending_of(live.id()).or_else(|| ending_of(&error)));
            }
            Err(error) => {
                error.log("listening to a session");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

fn ending_of(error: &Error) -> Option<Ending> {
    match error.kind() {
        ErrorKind::IdChanged => Some(Ending::IdChanged),
        _ => None,
    }
}

/// The state as it is now, and then as it is after each commit that has changed it, until the session ends.
pub(crate) fn changes<T: SessionState>(live: Arc<LiveSession>) -> impl Stream<Item = T> + Send + use<T> {
    let follows = Follows { live, ear: None, hearing: None, last: Last::Nothing };
    // It may be asked again after its end: a loop over several streams does so.
    Box::pin(unfold(follows, Follows::next).fuse())
}

/// Who follows a state.
struct Follows {
    live: Arc<LiveSession>,
    ear: Option<Arc<Ear>>,
    hearing: Option<Hearing>,
    last: Last,
}

/// What was given last.
enum Last {
    Nothing,
    /// This, or the state's default.
    Value(Option<StoredValue>),
}

impl Follows {
    async fn next<T: SessionState>(mut self) -> Option<(T, Self)> {
        loop {
            let changed = match self.wait(T::KEY).await {
                Next::Changed(changed) => changed,
                Next::Ended(_) => return None,
            };
            match self.read::<T>(changed).await {
                Ok(Some(state)) => return Some((state, self)),
                Ok(None) => {}
                Err(error) if error.says_that_the_session_is_over() => match self.ear.take() {
                    Some(ear) if ear.goes_on(ear.ending()).await => {}
                    _ => return None,
                },
                Err(error) => {
                    error.log("following the changes of a state");
                    if !error.is_the_backends() {
                        return None;
                    }
                    sleep(AFTER_FAILURE).await;
                    if let Some(ear) = &self.ear {
                        let mut heard = ear.heard.lock();
                        heard.changed = heard.changed.max(Some(changed));
                    }
                }
            }
        }
    }

    /// Waits for something to read. At first there is something: the state as it is.
    async fn wait(&mut self, key: &'static str) -> Next {
        loop {
            if let Some(ear) = &self.ear {
                match ear.next().await {
                    Next::Ended(ended) if ear.goes_on(ended).await => self.ear = None,
                    next => return next,
                }
                continue;
            }
            let is_first = matches!(self.last, Last::Nothing);
            if is_first && self.live.resolve().await.is_ok() && !self.live.is_stored() {
                return Next::Changed(Changed::Surely);
            }
            return match listen(&self.live, Some(key)).await {
                Ok(ear) => {
                    let ended = tokio::select! {
                        hearing = hear(&self.live, ear.id) => {
                            self.hearing = hearing;
                            None
                        }
                        ended = ear.over() => Some(ended),
                    };
                    if let Some(ended) = ended {
                        if ear.goes_on(ended).await {
                            continue;
                        }
                        return Next::Ended(ended);
                    }
                    self.ear = Some(ear);
                    Next::Changed(Changed::Perhaps)
                }
                Err(ended) => Next::Ended(ended),
            };
        }
    }

    /// The state, unless it is what was given last and perhaps nothing has changed.
    async fn read<T: SessionState>(&mut self, changed: Changed) -> Result<Option<T>, Error> {
        let loaded = loop {
            match self.live.load(Keys::Only(<(Read<T>,) as States>::KEYS)).await? {
                Lookup::Found(loaded) => break Some(loaded),
                Lookup::Nothing => break None,
                Lookup::Renamed => {}
            }
        };
        let value = loaded.as_ref().and_then(|loaded| loaded.value(T::KEY)).cloned();
        if changed == Changed::Perhaps && self.last.is(value.as_ref()) {
            return Ok(None);
        }
        let state = caught(|| Read::<T>::load(loaded.as_ref(), self.live.backend())?.into_owned())?;
        self.last = Last::Value(value);
        Ok(Some(state))
    }
}

impl Last {
    fn is(&self, value: Option<&StoredValue>) -> bool {
        match (self, value) {
            (Self::Value(None), None) => true,
            (Self::Value(Some(last)), Some(value)) => last.is(value) || last.json() == value.json(),
            _ => false,
        }
    }
}
