//! Notices that a session with connected sockets has expired, without a request, and renews those that their sockets keep
//! alive: one task and one ordered list for all sockets of a backend. Many sessions are looked at at a time, each for so
//! long at most as a backend may take, so that none waits for all others.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    backend::{Action, Attributes, Backend, Keys, Load, Loaded},
    call::{
        bounded,
        settings::Settings,
        write::{Write, write},
    },
    clock,
    process::{
        Ending,
        disconnects::{Cause, disconnect},
    },
    session::{id::SessionId, lifetimes::Lifetimes},
};

/// How often the list is looked at.
const TICK: Duration = Duration::from_secs(1);

/// So many sessions are looked at at one moment; others wait for one of them.
const AT_ONCE: usize = 64;

/// What has less than this left to live is looked at at the next moment.
const LITTLE: time::Duration = time::Duration::seconds(5);

/// When to look at a session with sockets: at the end of its life; or, where it will be renewed, when half to three
/// quarters of what is left are over. That is early enough to try again where it fails, and each session has a place of its
/// own in between, so that pages that connected together do not come due together.
pub(crate) fn moment_to_look(
    lifetimes: &Lifetimes,
    id: SessionId,
    attributes: &Attributes,
    expires: OffsetDateTime,
) -> OffsetDateTime {
    if !is_kept_by_sockets(lifetimes, attributes) {
        return expires;
    }
    let now = clock::now();
    let left = expires - now;
    if left < LITTLE {
        return now.min(expires);
    }
    let place = u32::try_from(id.shard(64)).unwrap_or_default();
    now + left / 2 + left / 4 * (f64::from(place) / 64.0)
}

/// A page that only listens, in a session in which nothing was written, must not lose its socket every few minutes:
/// such a session lives as long as its sockets, unless inactivity ends it.
fn is_kept_by_sockets(lifetimes: &Lifetimes, attributes: &Attributes) -> bool {
    attributes.provisional && !lifetimes.ends_by_inactivity(attributes)
}

/// Watches the sessions that have sockets, until none has any.
pub(crate) fn watch(backend: &Arc<dyn Backend>, settings: &Arc<Settings>) {
    let (watched, settings) = (Arc::clone(backend), Arc::clone(settings));
    let run = move || run(Arc::clone(&watched), Arc::clone(&settings));
    backend.registry().expiry_watch().start(run, || {});
}

async fn run(backend: Arc<dyn Backend>, settings: Arc<Settings>) {
    let sockets = backend.registry().sockets();
    let (mut due, mut looking) = (VecDeque::new(), FuturesUnordered::new());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !sockets.is_empty() || !looking.is_empty() {
        tokio::select! {
            _ = ticks.tick() => due.extend(sockets.take_due(clock::now())),
            Some(()) = looking.next() => {}
        }
        while looking.len() < AT_ONCE
            && let Some(id) = due.pop_front()
        {
            looking.push(look_at(&backend, &settings, id));
        }
    }
}

/// The moment to look has come: is its life over, or did the session live on?
async fn look_at(backend: &Arc<dyn Backend>, settings: &Settings, id: SessionId) {
    let (registry, lifetimes) = (backend.registry(), &settings.lifetimes);
    let load = Load::read(Keys::Only(&[]));
    let loaded = bounded::load(&**backend, id, load, settings.backend_timeout).await.map(|loaded| {
        let end = |loaded: &Loaded| lifetimes.end_of(&loaded.attributes, loaded.expires);
        loaded.map(|loaded| (end(&loaded), loaded)).filter(|(end, _)| *end > clock::now())
    });
    match loaded {
        Ok(Some((end, loaded))) => {
            let renewed = renew_unwritten(backend, settings, id, &loaded).await;
            let look = moment_to_look(lifetimes, id, &loaded.attributes, renewed.unwrap_or(end));
            registry.sockets().note_expiry(id, look);
        }
        // A call that ends it, or changes its id, has not come to its own end.
        Ok(None) if registry.is_about_to_end(id) => registry.sockets().note_expiry(id, clock::now() + TICK),
        Ok(None) if registry.ending_of_missing(id).is_some() => registry.session_is_gone(id),
        Ok(None) => disconnect(registry.end(id, Ending::Expired), Cause::Expiry),
        Err(error) => {
            registry.unwatched().log(|left_out| {
                tracing::warn!(%error, left_out, "whether a session with sockets has expired could not be found out");
            });
            registry.sockets().note_expiry(id, clock::now() + TICK);
        }
    }
}

/// When it expires from now on; `None` if it was not renewed.
async fn renew_unwritten(
    backend: &Arc<dyn Backend>,
    settings: &Settings,
    id: SessionId,
    loaded: &Loaded,
) -> Option<OffsetDateTime> {
    if !is_kept_by_sockets(&settings.lifetimes, &loaded.attributes) {
        return None;
    }
    let expires = settings.lifetimes.expires(&loaded.attributes, clock::now());
    let renewed = Write { expires: Some(expires), ..Write::of(id, Action::Update) };
    let (renewed, _) = write(&**backend, renewed, None, settings.backend_timeout);
    match renewed.await {
        Ok(()) => Some(expires.at),
        Err(error) => {
            backend.registry().unwatched().log(|left_out| {
                tracing::warn!(%error, left_out, "a session that its sockets keep alive could not be renewed yet");
            });
            None
        }
    }
}
