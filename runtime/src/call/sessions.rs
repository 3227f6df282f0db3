//! `Sessions`: finding sessions by their owner or key, ending them, and working in them, on the server's authority.

use std::{collections::HashSet, fmt, sync::Arc};

use futures_util::{StreamExt, stream};
use time::OffsetDateTime;

use super::{bounded, live_session::LiveSession, settings::Settings, shared::Shared, whose::checked_owner};
use crate::{
    backend::{Backend, BackendError, Keys, Load, Loaded, Owned, Owners},
    clock,
    error::{Error, ErrorKind},
    process::{
        Ending,
        disconnects::{Cause, disconnect},
    },
    session::{id::SessionId, key::SessionKey, state::SessionState},
};

/// The sessions of a page where nothing else is said, and the most that it can have.
const PAGE: (usize, usize) = (100, 1000);

/// So many keys of an owner are asked for at once where all sessions end.
const BATCH: usize = 500;

/// So many sessions are looked at, or ended, at one time.
const AT_ONCE: usize = 16;

/// How often a session is looked for again that gets another id meanwhile.
const TRIES: usize = 8;

/// All sessions of the backend, on the server's authority: to list those of an owner, to end them everywhere, to work in one.
///
/// An extractor for any handler, and [`SessionLayer::sessions`](crate::SessionLayer::sessions) gives it to code outside of
/// handlers. Whose a session is, its login says: [`SessionControl::set_owner`](crate::SessionControl::set_owner).
///
/// A session's key is public, so [`end_of`](Self::end_of) ends only what is the owner's: use it where the key comes from a
/// client. No id is ever given out.
///
/// An end from here is as one of the page's own: the record goes, the sockets hear `session_ended` with the reason `ended` and
/// are disconnected on every node, handlers that still run save nothing.
///
/// It takes `MemoryBackend` or `RedisBackend`; with a [`StoreBackend`](crate::StoreBackend), whose store cannot be asked,
/// each method is [`Unsupported`](ErrorKind::Unsupported).
///
/// ```
/// use axum::{Form, Json};
/// use serde::Deserialize;
/// use socketioxide_session::{Error, SessionControl, SessionKey, Sessions};
///
/// #[derive(Deserialize)]
/// struct End {
///     key: SessionKey,
/// }
///
/// async fn my_sessions(control: SessionControl, sessions: Sessions) -> Result<Json<Vec<String>>, Error> {
///     let Some(owner) = control.owner().await? else { return Ok(Json(Vec::new())) };
///     let mine = sessions.by_owner(&owner, 0).await?;
///     Ok(Json(mine.iter().map(|info| format!("{:?} since {}", info.label, info.created)).collect()))
/// }
///
/// async fn end_one(control: SessionControl, sessions: Sessions, Form(end): Form<End>) -> Result<(), Error> {
///     match control.owner().await? {
///         Some(owner) => sessions.end_of(&owner, &end.key).await,
///         None => Ok(()),
///     }
/// }
///
/// async fn end_others(control: SessionControl, sessions: Sessions) -> Result<(), Error> {
///     if let Some(owner) = control.owner().await? {
///         sessions.end_others_of(&owner, &control.key()).await?;
///     }
///     Ok(())
/// }
/// ```
///
/// # Cancel safety
///
/// Dropping a future leaves whole what it has done: each session has ended, or has not.
#[derive(Clone)]
pub struct Sessions {
    backend: Arc<dyn Backend>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// A session, as a list of sessions shows it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its public key, which stays when its id changes.
    pub key: SessionKey,
    /// Whose it is.
    pub owner: Option<String>,
    /// What its user tells it apart by.
    pub label: Option<String>,
    /// When it began.
    pub created: OffsetDateTime,
    /// When it was written to, or was active, for the last time: to the touch interval where inactivity ends it, else to its
    /// last write. Where its expiry is a moment of its own, it is when it began.
    pub last_active: OffsetDateTime,
    /// When it expires, if nothing happens in it.
    pub expires: OffsetDateTime,
}

impl fmt::Debug for SessionInfo {
    /// Without its owner, which belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Some of an owner's sessions. A number is that page, from 0 on, of 100 sessions each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// The page with this number, from 0 on, of so many sessions: 1 to 1000.
    #[must_use]
    pub fn new(number: usize, size: usize) -> Self {
        Self { number, size: size.clamp(1, PAGE.1) }
    }
}

impl From<usize> for Page {
    fn from(number: usize) -> Self {
        Self { number, size: PAGE.0 }
    }
}

/// A session that was found.
struct Found {
    id: SessionId,
    loaded: Loaded,
}

impl Sessions {
    pub(crate) fn new(backend: Arc<dyn Backend>, settings: Arc<Settings>) -> Self {
        Self { backend, settings }
    }

    /// The owner's sessions, the last login first. `page`: a number from 0 on, or a [`Page`]; one that is empty is past the end.
    /// A page may have fewer sessions than it has room for, because some have ended a moment ago: one that ends within two
    /// minutes of its login, or by its expiry, may take up its place for as long.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported); [`BadArgument`](ErrorKind::BadArgument) for an owner that can be none (empty,
    /// or longer than 256 bytes); [`Backend`](ErrorKind::Backend).
    pub async fn by_owner(&self, owner: &str, page: impl Into<Page>) -> Result<Vec<SessionInfo>, Error> {
        let owner = checked_owner(owner)?;
        let Page { number, size } = page.into();
        loop {
            let found = self.owned_by(owner, number.saturating_mul(size), size).await?;
            let infos = found.iter().map(|found| self.clone().info_of(Arc::from(owner), found.key.clone()));
            let infos: Vec<_> = stream::iter(infos.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
            let infos = infos.into_iter().collect::<Result<Vec<_>, _>>()?;
            let stale = found.into_iter().zip(&infos).filter(|(_, info)| info.is_none());
            if self.forget(owner, stale.map(|(found, _)| found).collect()).await == 0 {
                return Ok(infos.into_iter().flatten().collect());
            }
            // Others have moved up to this page, whom no later page shows.
        }
    }

    /// Ends this session, if it is the owner's.
    ///
    /// # Errors
    ///
    /// [`NoSession`](ErrorKind::NoSession) if there is no session with this key (any more), or it is another owner's; those of
    /// [`by_owner`](Self::by_owner); [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
    pub async fn end_of(&self, owner: &str, key: &SessionKey) -> Result<(), Error> {
        let owner = checked_owner(owner)?;
        if self.end_under_any_id(key, Some(owner)).await? {
            return Ok(());
        }
        Err(Error::with_text(ErrorKind::NoSession, "this owner has no session with this key (any more)"))
    }

    /// Ends all sessions of the owner that are there now: how many that were. One whose login commits while this runs may
    /// stay.
    ///
    /// # Errors
    ///
    /// As [`end_of`](Self::end_of), but for `NoSession`. Where ending one has failed the others have ended.
    pub async fn end_by_owner(&self, owner: &str) -> Result<usize, Error> {
        self.end_all(checked_owner(owner)?, None).await
    }

    /// Ends all sessions of the owner but this one: how many that were.
    ///
    /// # Errors
    ///
    /// As [`end_by_owner`](Self::end_by_owner).
    pub async fn end_others_of(&self, owner: &str, key: &SessionKey) -> Result<usize, Error> {
        self.end_all(checked_owner(owner)?, Some(key)).await
    }

    /// Ends this session, whoever's it is: for administrators. Where the key comes from a user,
    /// [`end_of`](Self::end_of) is meant.
    ///
    /// # Errors
    ///
    /// [`NoSession`](ErrorKind::NoSession) if there is no session with this key (any more);
    /// [`Unsupported`](ErrorKind::Unsupported), [`Backend`](ErrorKind::Backend),
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
    pub async fn end(&self, key: &SessionKey) -> Result<(), Error> {
        if self.end_under_any_id(key, None).await? { Ok(()) } else { Err(no_such_session()) }
    }

    /// A state of this session, for a job or a webhook: on the server's authority, without a cookie. It follows the session to
    /// new ids; a call of it that a login overtakes is [`IdChanged`](ErrorKind::IdChanged), with nothing saved, and can be
    /// made again.
    ///
    /// Inside a call that holds a turn of this very session it is [`NestedTurn`](ErrorKind::NestedTurn), as any
    /// [`Shared`]. Two calls that hold turns of two sessions, and wait for each other's, wait until
    /// [`with_turn_timeout`](crate::SessionLayer::with_turn_timeout): work in other sessions from calls that hold no turn.
    ///
    /// ```
    /// use socketioxide_session::{Error, SessionKey, SessionLayer, session_state};
    ///
    /// #[session_state(emit = "cart")]
    /// struct Cart {
    ///     is_paid: bool,
    /// }
    ///
    /// async fn paid(layer: SessionLayer, key: SessionKey) -> Result<(), Error> {
    ///     let cart = layer.sessions().shared::<Cart>(&key).await?;
    ///     cart.update(|cart| cart.is_paid = true).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub async fn shared<T: SessionState>(&self, key: &SessionKey) -> Result<Shared<T>, Error> {
        let Found { id, loaded } = self.found(key).await?.ok_or_else(no_such_session)?;
        let (backend, settings) = (Arc::clone(&self.backend), Arc::clone(&self.settings));
        Ok(Shared::new(Arc::new(LiveSession::by_key(backend, settings, id, loaded.attributes.key))))
    }

    fn owners(&self) -> Result<&dyn Owners, Error> {
        self.backend.owners().ok_or_else(|| Error::new(ErrorKind::Unsupported))
    }

    async fn owned_by(&self, owner: &str, skip: usize, most: usize) -> Result<Vec<Owned>, Error> {
        let found = self.owners()?.owned_by(owner, skip, most);
        bounded::asked(found, self.settings.backend_timeout).await.map_err(not_asked)
    }

    /// All that stand in the owner's index.
    async fn all_owned_by(&self, owner: &str) -> Result<Vec<Owned>, Error> {
        let mut all = Vec::new();
        loop {
            let batch = self.owned_by(owner, all.len(), BATCH).await?;
            if batch.is_empty() {
                return Ok(all);
            }
            all.extend(batch);
        }
    }

    /// These are not the owner's. If that cannot be noted, it is found out again the next time. How many have left the index.
    async fn forget(&self, owner: &str, stale: Vec<Owned>) -> usize {
        match self.owners() {
            Ok(owners) if !stale.is_empty() => {
                let forgotten = owners.forget(owner, stale);
                bounded::asked(forgotten, self.settings.backend_timeout).await.unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// The session with this key.
    async fn found(&self, key: &SessionKey) -> Result<Option<Found>, Error> {
        for _ in 0..TRIES {
            let id = self.owners()?.find(key);
            let id = bounded::asked(id, self.settings.backend_timeout).await.map_err(not_asked)?;
            let Some(id) = id else { return Ok(None) };
            let load = Load { ownership: true, ..Load::read(Keys::Only(&[])) };
            let loaded = bounded::load(&*self.backend, id, load, self.settings.backend_timeout).await;
            if let Some(loaded) = loaded.map_err(not_asked)?
                && loaded.attributes.key == *key.shared()
                && self.settings.lifetimes.end_of(&loaded.attributes, loaded.expires) > clock::now()
            {
                return Ok(Some(Found { id, loaded }));
            }
            // It may have another id by now.
        }
        Ok(None)
    }

    /// What a list shows of the session with this key, if it is the owner's.
    async fn info_of(self, owner: Arc<str>, key: SessionKey) -> Result<Option<SessionInfo>, Error> {
        let Some(Found { loaded, .. }) = self.found(&key).await? else { return Ok(None) };
        let Loaded { attributes, expires, .. } = loaded;
        if attributes.owner() != Some(&owner) {
            return Ok(None);
        }
        let lifetimes = &self.settings.lifetimes;
        Ok(Some(SessionInfo {
            key,
            owner: attributes.owner().map(str::to_owned),
            label: attributes.label().map(str::to_owned),
            created: attributes.created,
            last_active: lifetimes.last_active(&attributes, expires),
            expires: lifetimes.end_of(&attributes, expires),
        }))
    }

    /// Ends the session with this key, whichever id it has, if it is this owner's. `false`: there is none.
    async fn end_under_any_id(&self, key: &SessionKey, owner: Option<&str>) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let Some(Found { id, loaded }) = self.found(key).await? else { return Ok(false) };
            if owner.is_some() && loaded.attributes.owner() != owner {
                return Ok(false);
            }
            let (backend, settings) = (Arc::clone(&self.backend), Arc::clone(&self.settings));
            let live = Arc::new(LiveSession::by_key(backend, settings, id, loaded.attributes.key));
            let ended = live.end_as(Ending::Revoked, None).outcome().await;
            disconnect(live.take_sockets(), Cause::Answer);
            match ended {
                // By an id that stands for its own it does not show whether that has changed.
                Ok(()) if self.found(key).await?.is_none_or(|now| now.id == id) => return Ok(true),
                Ok(()) => {}
                // It goes on under another id, which is meant as well.
                Err(error) if error.kind() == ErrorKind::IdChanged => {}
                Err(error) => return Err(error),
            }
        }
        let text = "the session's id changed each time that it was to end; it lives on";
        Err(Error::with_text(ErrorKind::Backend, text))
    }

    async fn end_owned(self, owner: Arc<str>, key: SessionKey) -> Result<bool, Error> {
        self.end_under_any_id(&key, Some(&owner)).await
    }

    /// Ends all sessions of the owner but this one. As they come and go meanwhile, the index is read until nothing in it is
    /// new.
    async fn end_all(&self, owner: &str, but: Option<&SessionKey>) -> Result<usize, Error> {
        let (mut ended, mut failed) = (0, None);
        let mut seen: HashSet<SessionKey> = but.cloned().into_iter().collect();
        loop {
            let mut new = self.all_owned_by(owner).await?;
            new.retain(|owned| seen.insert(owned.key.clone()));
            if new.is_empty() {
                return failed.map_or(Ok(ended), Err);
            }
            let ends = new.iter().map(|owned| self.clone().end_owned(Arc::from(owner), owned.key.clone()));
            let outcomes: Vec<_> = stream::iter(ends.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
            let mut stale = Vec::new();
            for (owned, outcome) in new.into_iter().zip(outcomes) {
                match outcome {
                    Ok(has_ended) => {
                        ended += usize::from(has_ended);
                        stale.push(owned);
                    }
                    Err(error) => {
                        failed.get_or_insert(error);
                    }
                }
            }
            self.forget(owner, stale).await;
        }
    }
}

impl LiveSession {
    /// All sessions of its backend.
    pub(crate) fn all_sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(&self.backend), Arc::clone(&self.settings))
    }
}

fn no_such_session() -> Error {
    Error::with_text(ErrorKind::NoSession, "there is no session with this key (any more)")
}

fn not_asked(error: BackendError) -> Error {
    Error::new(ErrorKind::Backend).because(error)
}
