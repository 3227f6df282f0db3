//! Notices that a session with connected sockets has expired, without a request: one task and one ordered list
//! for all sockets of a backend.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;

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

/// How long before its end a session is looked at that its sockets keep alive.
const LEAD: time::Duration = time::Duration::seconds(5);

/// When to look at a session with sockets: at the end of its life, or before it where it will be renewed.
pub(crate) fn moment_to_look(
    lifetimes: &Lifetimes,
    attributes: &Attributes,
    expires: OffsetDateTime,
) -> OffsetDateTime {
    if is_kept_by_sockets(lifetimes, attributes) { expires - LEAD } else { expires }
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
    while !backend.registry().sockets().is_empty() {
        tokio::time::sleep(TICK).await;
        for id in backend.registry().sockets().take_due(clock::now()) {
            look_at(&backend, &settings, id).await;
        }
    }
}

/// The moment of expiry that was known has come: is it over, or did the session live on?
async fn look_at(backend: &Arc<dyn Backend>, settings: &Settings, id: SessionId) {
    let load = Load::read(Keys::Only(&[]));
    let loaded = bounded::load(&**backend, id, load, settings.backend_timeout).await.map(|loaded| {
        let end = |loaded: &Loaded| settings.lifetimes.end_of(&loaded.attributes, loaded.expires);
        loaded.map(|loaded| (end(&loaded), loaded)).filter(|(end, _)| *end > clock::now())
    });
    match loaded {
        Ok(Some((end, loaded))) => {
            let renewed = renew_unwritten(backend, settings, id, &loaded).await;
            let look =
                renewed.map(|expires| moment_to_look(&settings.lifetimes, &loaded.attributes, expires));
            backend.registry().sockets().note_expiry(id, look.unwrap_or(end));
        }
        Ok(None) => {
            let sockets = backend.registry().end(id, Ending::Ended);
            disconnect(sockets, Cause::Expiry);
        }
        Err(error) => {
            tracing::warn!(%error, "whether a session with sockets has expired could not be found out");
            backend.registry().sockets().note_expiry(id, clock::now() + TICK);
        }
    }
}

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
    renewed.await.ok().map(|()| expires.at)
}
