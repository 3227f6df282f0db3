//! Calls of a backend are bounded in time. What is at hand costs nothing; what must be waited for is waited for so long at
//! most. A write that may still arrive after that goes on by itself, and until it has come back the session is not
//! written to again.

use std::{
    future::{IntoFuture as _, pending},
    mem,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt as _, poll};
use tokio::time::timeout;

use crate::{
    backend::{
        Action, Answer, Backend, BackendError, Load, Loaded,
        progress::{Progress, Reached},
    },
    figures::Asks,
    process::{
        Ending, News, Registry,
        disconnects::{Cause, disconnect},
    },
    session::id::SessionId,
};

/// Why a call of a backend has failed that was given up, or was not made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Late {
    #[error("the backend did not answer within {0:?} (`SessionLayer::with_backend_timeout`)")]
    NoAnswer(Duration),
    #[error("an earlier write of this session has not come back from the backend, and may still arrive")]
    EarlierWrite,
}

/// What a backend gives when it is asked for a session.
pub(crate) type FromBackend = Result<Option<Loaded>, BackendError>;

type Written = Result<(), BackendError>;
type Writing = Pin<Box<dyn Future<Output = Written> + Send>>;

/// Loads a session. A turn of another process is waited for as long as the load says, too.
pub(crate) fn load(backend: &dyn Backend, id: SessionId, load: Load, limit: Duration) -> Answer<FromBackend> {
    let asks = Asks::begins("load");
    let mut answer = backend.load(id, load);
    if let Answer::Pending(loading) = &mut answer {
        let is_to_write = !load.turns.is_empty();
        if is_to_write && backend.registry().unsettled().has(id) {
            return Answer::Ready(Err(BackendError::failed(Late::EarlierWrite)));
        }
        // What a store has at hand needs no timer.
        if let Some(loaded) = loading.as_mut().now_or_never() {
            return Answer::Ready(loaded);
        }
        let inner = mem::replace(loading, Box::pin(pending()));
        let waits_for_turns = is_to_write && backend.registry().is_among_nodes();
        let longest = if waits_for_turns { limit.saturating_add(load.wait) } else { limit };
        *loading = Box::pin(async move {
            // What is asked is answered when this is over.
            let _ = &asks;
            let loaded = timeout(longest, inner).await;
            loaded.unwrap_or_else(|_| Err(BackendError::failed(Late::NoAnswer(limit))))
        });
    }
    answer
}

/// Asks for what a backend knows beside sessions.
pub(crate) async fn asked<T>(
    answer: Answer<Result<T, BackendError>>,
    limit: Duration,
) -> Result<T, BackendError> {
    let _asks = Asks::begins("ask");
    let answer = timeout(limit, answer.into_future()).await;
    answer.unwrap_or_else(|_| Err(BackendError::failed(Late::NoAnswer(limit))))
}

/// How the id of a session ends by this.
pub(super) fn ending_by(action: &Action, revoked: bool) -> Option<Ending> {
    match action {
        Action::ChangeId(_) => Some(Ending::IdChanged),
        Action::End if revoked => Some(Ending::Revoked),
        Action::End => Some(Ending::Ended),
        Action::Create(_) | Action::Update => None,
    }
}

/// Bounds a commit that the backend was given.
pub(super) fn bound(
    answer: &mut Answer<Written>,
    registry: &Registry,
    id: SessionId,
    ends: Option<Ending>,
    limit: Duration,
    asks: Asks,
) {
    if let Answer::Pending(writing) = answer {
        let inner = mem::replace(writing, Box::pin(pending()));
        *writing = Box::pin(written(inner, registry.clone(), id, ends, limit, asks));
    }
}

async fn written(
    writing: Writing,
    registry: Registry,
    id: SessionId,
    ends: Option<Ending>,
    limit: Duration,
    _asks: Asks,
) -> Written {
    if !matches!(ends, Some(Ending::Ended | Ending::Revoked)) && registry.unsettled().has(id) {
        return Err(BackendError::failed(Late::EarlierWrite));
    }
    let progress = Progress::default();
    let mut writing = progress.of(writing);
    if let Poll::Ready(written) = poll!(&mut writing) {
        return written;
    }
    if let Ok(written) = timeout(limit, &mut writing).await {
        return written;
    }
    let reached = progress.give_up();
    if reached == Reached::Nothing {
        return Err(BackendError::failed(Late::NoAnswer(limit)));
    }
    let settled = registry.see_to_its_end(id, writing);
    tokio::spawn(async move { note_late(&registry, id, ends, settled.await) });
    Err(match reached {
        Reached::NewId => BackendError::OldIdMayLive(Late::NoAnswer(limit).into()),
        _ => BackendError::OutcomeUnknown(Late::NoAnswer(limit).into()),
    })
}

/// A write came back after its caller was told that nobody knows its outcome; or it did not.
fn note_late(registry: &Registry, id: SessionId, ends: Option<Ending>, written: Option<Written>) {
    match written {
        Some(Ok(())) => {
            tracing::warn!("a write that the backend did not answer in time has taken place after all");
            match ends {
                Some(ending) => disconnect(registry.end(id, ending), Cause::Expiry),
                None => registry.listeners().tell(id, &News::Unknown),
            }
        }
        Some(Err(error)) => {
            tracing::warn!(%error, "a write that the backend did not answer in time has failed");
        }
        None => tracing::error!("a write has not come back from the backend, and is waited for no more"),
    }
}
