//! The sessions by their keys and by their owners. In a cluster these lie in other slots than the session, so they are
//! written before it and may have more than there is: who reads looks at each session.
//!
//! A session that has the id that it began with is found by its key alone, from which the name of its record is made.
//! When its id changes, a pointer is left under the key: a sorted set of the places where the session may be, for several
//! changes of its id may be under way at one moment, of which one takes place. An owner's index is a sorted set of keys,
//! each with the moment of its login.

use std::{collections::HashSet, sync::Arc, time::Duration};

use redis::{AsyncCommands as _, RedisResult};
use time::OffsetDateTime;

use super::wire::{Wire, link::Failure, millis, scripts::Forget, source::Connection};
use crate::{
    backend::{Action, BackendError, Commit, HiddenId, Owned, SessionId},
    clock,
    session::key::SessionKey,
};

/// How long a pointer, and an owner's index, last after they were written: as long as browsers keep a cookie.
const LIFE: Duration = Duration::from_hours(400 * 24);

/// An entry younger than this may be that of a login which has not committed yet.
const SETTLED: time::Duration = time::Duration::minutes(2);

/// So many of an owner's oldest entries are looked at with each login of the owner's.
const TIDIED: usize = 8;

pub(super) struct Index {
    wire: Arc<Wire>,
}

/// A change of a session's id that is under way.
pub(super) struct Move {
    pointer: String,
    old: HiddenId,
    new: HiddenId,
}

impl Index {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self { wire }
    }

    /// Whether a commit must be noted here first.
    pub(super) fn is_about(commit: &Commit) -> bool {
        commit.loaded.is_some()
    }

    /// Notes where the session may be soon, and whose it will be, before it is. Its move, if it changes its id, is to be
    /// [concluded](Self::conclude).
    pub(super) async fn note(self: &Arc<Self>, commit: &Commit) -> Result<Option<Move>, BackendError> {
        let Some(loaded) = &commit.loaded else { return Ok(None) };
        let moves = match commit.action {
            Action::ChangeId(new) => Some(Move {
                pointer: self.wire.pointer(&loaded.key),
                old: self.wire.hidden(commit.id),
                new: self.wire.hidden(new),
            }),
            _ => None,
        };
        if let Some(moves) = &moves {
            self.note_move(moves).await?;
        }
        let owner = commit.attributes.ownership.as_ref().and_then(|changes| changes.owner.clone().flatten());
        let created = match &commit.action {
            Action::Create(attributes) => attributes.ownership.as_ref().and_then(|own| own.owner.clone()),
            _ => None,
        };
        if let Some(owner) = owner.or(created) {
            self.note_owner(&owner, &loaded.key).await?;
        }
        Ok(moves)
    }

    async fn note_move(&self, Move { pointer, old, new }: &Move) -> Result<(), BackendError> {
        let since = milliseconds(clock::now());
        let places = [(since, new.to_string()), (since.saturating_sub(1), old.to_string())];
        let (pointer, places) = (&**pointer, &places);
        let add = |mut connection: Connection, _| async move {
            let mut both = redis::pipe();
            both.zadd_multiple(pointer, places).ignore();
            both.expire(pointer, LIFE.as_secs().cast_signed()).ignore();
            both.query_async::<()>(&mut connection).await
        };
        self.wire.link.call(add).await.map_err(Failure::failed)
    }

    /// The commit of this move has come to this. Where it is known where the session is not any more, or will never be, that
    /// leaves the pointer; nobody waits for it.
    pub(super) fn conclude(self: &Arc<Self>, moves: Move, done: &Result<(), BackendError>) {
        let not_there = match done {
            Ok(()) => vec![moves.old.to_string()],
            // Another change of its id came first, or its end.
            Err(BackendError::Gone) => vec![moves.old.to_string(), moves.new.to_string()],
            Err(_) => return,
        };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let (pointer, not_there) = (&*moves.pointer, &*not_there);
            let remove = |mut connection: Connection, _| async move {
                connection.zrem::<_, _, ()>(pointer, not_there).await
            };
            this.wire.link.call(remove).await.ok();
        });
    }

    async fn note_owner(self: &Arc<Self>, owner: &str, key: &str) -> Result<(), BackendError> {
        let index = self.wire.owner_index(owner);
        let since = milliseconds(clock::now());
        {
            let index = &*index;
            let add = |mut connection: Connection, _| async move {
                let mut both = redis::pipe();
                both.zadd(index, key, since).ignore().expire(index, LIFE.as_secs().cast_signed()).ignore();
                both.query_async::<()>(&mut connection).await
            };
            self.wire.link.call(add).await.map_err(Failure::failed)?;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move { this.tidy(&index).await.ok() });
        Ok(())
    }

    /// The id that stands for the session with this key, if there is one.
    pub(super) async fn find(&self, key: &SessionKey) -> Result<Option<SessionId>, BackendError> {
        let mut places = self.places(key).await?;
        loop {
            // The last one first, and each once more after all: the session may move there meanwhile.
            for hidden in places.iter().chain(&places) {
                if self.is_at(*hidden).await? {
                    return Ok(Some(self.wire.alias(*hidden)));
                }
            }
            let now = self.places(key).await?;
            if now == places {
                return Ok(None);
            }
            places = now;
        }
    }

    /// Where the session with this key may be: under the new ids of changes that are under way, the old one, the first one.
    async fn places(&self, key: &SessionKey) -> Result<Vec<HiddenId>, BackendError> {
        let pointer = self.wire.pointer(key.as_ref());
        let pointer = &*pointer;
        let get = |mut connection: Connection, _| async move {
            connection.zrevrange::<_, Vec<String>>(pointer, 0, -1).await
        };
        let known = self.wire.link.call(get).await.map_err(Failure::failed)?;
        Ok(known.iter().filter_map(HiddenId::parse).chain(HiddenId::of_key(key.as_ref())).collect())
    }

    async fn is_at(&self, hidden: HiddenId) -> Result<bool, BackendError> {
        let record = self.wire.record(hidden);
        let record = &*record;
        let exists = |mut connection: Connection, _| async move {
            connection.hexists::<_, _, bool>(record, "m").await
        };
        self.wire.link.call(exists).await.map_err(Failure::failed)
    }

    /// An owner's sessions, those whose login was last first, without the first `skip`.
    pub(super) async fn owned_by(
        &self,
        owner: &str,
        skip: usize,
        most: usize,
    ) -> Result<Vec<Owned>, BackendError> {
        let index = self.wire.owner_index(owner);
        let entries = self.entries(&index, skip, most, true).await?;
        let sessions = entries.into_iter().filter_map(|(key, since)| {
            let since = millis::moment(since.to_string().as_bytes())?;
            Some(Owned { key: key.into(), since })
        });
        Ok(sessions.collect())
    }

    /// Some of an index's entries: keys, and since when they stand there.
    async fn entries(
        &self,
        index: &str,
        skip: usize,
        most: usize,
        newest_first: bool,
    ) -> Result<Vec<(String, i64)>, BackendError> {
        // Redis counts a negative place from the end.
        let first = isize::try_from(skip).unwrap_or(isize::MAX);
        let last = first.saturating_add_unsigned(most.saturating_sub(1));
        let range = |mut connection: Connection, _| async move {
            let found: RedisResult<Vec<(String, f64)>> = if newest_first {
                connection.zrevrange_withscores(index, first, last).await
            } else {
                connection.zrange_withscores(index, first, last).await
            };
            found
        };
        let found = self.wire.link.call(range).await.map_err(Failure::failed)?;
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds, which a double holds")]
        let found = found.into_iter().map(|(key, since)| (key, since as i64));
        Ok(found.collect())
    }

    /// These are not the owner's (any more). Those that may not be committed yet stay. How many have left.
    pub(super) async fn forget(&self, owner: &str, sessions: &[Owned]) -> Result<usize, BackendError> {
        let settled = clock::now().saturating_sub(SETTLED);
        let entries = sessions.iter().filter(|owned| owned.since < settled);
        let entries: Vec<_> =
            entries.map(|owned| (owned.key.to_string(), milliseconds(owned.since))).collect();
        self.forget_entries(&self.wire.owner_index(owner), &entries).await?;
        Ok(entries.len())
    }

    async fn forget_entries(&self, index: &str, entries: &[(String, i64)]) -> Result<(), BackendError> {
        if entries.is_empty() { Ok(()) } else { Forget { index, entries }.send(&self.wire).await }
    }

    /// Forgets those of an owner's oldest sessions that are gone, so that an index which nobody reads does not grow.
    async fn tidy(&self, index: &str) -> Result<(), BackendError> {
        let settled = milliseconds(clock::now().saturating_sub(SETTLED));
        let (mut gone, mut seen) = (Vec::new(), HashSet::new());
        for (key, since) in self.entries(index, 0, TIDIED, false).await? {
            let is_new = seen.insert(key.clone());
            if is_new && since < settled && self.find(&key.as_str().into()).await?.is_none() {
                gone.push((key, since));
            }
        }
        self.forget_entries(index, &gone).await
    }
}

fn milliseconds(moment: OffsetDateTime) -> i64 {
    i64::try_from(millis::since_1970(moment)).unwrap_or(i64::MAX)
}
