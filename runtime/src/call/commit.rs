//! Committing to a live session: beginning, changing and ending it. A commit once begun runs to its end.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{
    detached::Detached,
    live_session::{CookieEffect, LiveSession, Lookup, Presence},
};
use crate::{
    backend::{Action, AttributeChanges, Attributes, BackendError, Commit, Expires, Keys, Lease, Line},
    call::intents::Intent,
    clock::{self, Now},
    error::{Error, ErrorKind},
    process::{Announced, Ending},
    session::{change::Changes, id::SessionId},
    turns::Turn,
};

/// What to write, beside what the session itself is asked for.
pub(crate) struct Work {
    pub(crate) changes: Changes,
    pub(crate) intent: Intent,
    /// The session as it was loaded; `None` where nothing was.
    pub(crate) attributes: Option<Attributes>,
    /// A new moment of expiry, because the session is active.
    pub(crate) touch: Option<OffsetDateTime>,
    /// Begin a session even with nothing in it; renew the expiry even with nothing changed.
    pub(crate) even_if_unchanged: bool,
}

impl Work {
    pub(crate) fn of(changes: Changes) -> Self {
        Self { changes, intent: Intent::default(), attributes: None, touch: None, even_if_unchanged: false }
    }

    fn is_nothing(&self) -> bool {
        self.changes.is_empty() && !self.intent.anything() && self.touch.is_none() && !self.even_if_unchanged
    }
}

/// What a commit changes of the session itself, as far as is known.
fn change_of_attributes(intent: &Intent, changes_values: bool, known: &Attributes) -> AttributeChanges {
    let mut change = AttributeChanges::default();
    change.expiry = intent.expiry;
    // It never becomes provisional again: where it is known to be written, nothing need be said.
    change.written = known.provisional && (changes_values || intent.cycle_id || intent.expiry.is_some());
    change
}

impl LiveSession {
    /// Commits, and ends the turn after it, unless the backend lets the next call go on before. It begins at once and
    /// runs to its end, also when the caller drops the future.
    pub(crate) fn commit(self: &Arc<Self>, mut work: Work, mut turn: Option<Turn>) -> Detached {
        let passed_on = turn.as_ref().is_some_and(Turn::lease_was_passed_on);
        if work.is_nothing() && !passed_on {
            return Detached::done(Ok(()), turn);
        }
        let now = Now::read();
        let held = turn.as_ref().map_or(Ok(()), |turn| turn.begin_commit(now.instant));
        if let Err(error) = held {
            return Detached::done(Err(error), turn);
        }
        if let Some(done) = self.commit_now(&mut work, turn.as_mut(), now) {
            return Detached::done(done, turn);
        }
        let live = Arc::clone(self);
        Detached::of(async move { live.carry_out(turn, work).await })
    }

    /// Commits where that needs no wait: a session that is there, and keeps its id.
    fn commit_now(&self, work: &mut Work, turn: Option<&mut Turn>, now: Now) -> Option<Result<(), Error>> {
        let attributes = &mut work.attributes.clone()?;
        if work.intent.cycle_id || work.even_if_unchanged {
            return None;
        }
        let (id, presence) = {
            let current = self.current.lock();
            (current.id, current.presence)
        };
        if presence != Presence::Stored {
            return None;
        }
        let change = change_of_attributes(&work.intent, !work.changes.is_empty(), attributes);
        change.apply(attributes);
        let changes = std::mem::take(&mut work.changes);
        let at = if changes.is_empty() && change.is_empty() {
            work.touch
        } else {
            Some(self.settings.lifetimes.expires_at(attributes, now.wall))
        };
        let expires = at.map(|at| Expires::reckoned(at, attributes));
        let lease = turn.as_ref().map_or_else(Lease::default, |turn| turn.lease());
        let commit = Commit { id, lease, action: Action::Update, changes, attributes: change, expires };
        let Some(done) = self.backend.commit_now(&commit) else {
            work.changes = commit.changes;
            return None;
        };
        if let Some(turn) = turn.filter(|_| done.is_ok()) {
            turn.end_lease();
        }
        if done.is_ok() && change.expiry.is_some() {
            let effect = self.set_cookie(id, attributes);
            self.current.lock().transition().cookie = effect;
            if let Some(at) = at {
                self.registry().sockets().note_expiry(id, at);
            }
        }
        Some(done.map_err(|error| self.note_failure(id, error)))
    }

    async fn carry_out(&self, turn: Option<Turn>, mut work: Work) -> Result<(), Error> {
        let _beginning = if self.is_stored() { None } else { Some(self.beginning().lock().await) };
        self.resolve().await?;
        self.writable()?;
        if !self.is_stored() {
            if work.changes.is_empty() && !work.even_if_unchanged {
                return Ok(());
            }
            return self.begin(work, false).await;
        }
        if work.attributes.is_none()
            && let Lookup::Found(loaded) = self.load(Keys::Only(&[])).await?
        {
            work.attributes = Some(loaded.attributes);
        }
        self.update(turn, work).await
    }

    /// Begins a session, of which the response sets the cookie.
    async fn begin(&self, work: Work, provisional: bool) -> Result<(), Error> {
        let id = self.id();
        let mut attributes = Attributes::new(id);
        attributes.expiry = work.intent.expiry.flatten();
        attributes.provisional = provisional;
        let expires = self.settings.lifetimes.expires_at(&attributes, clock::now());
        let mut commit = Commit::new(id, Action::Create(attributes.clone()));
        commit.changes = work.changes;
        commit.expires = Some(Expires::reckoned(expires, &attributes));
        self.backend.commit(&commit).await.map_err(|error| self.note_failure(id, error))?;
        let mut current = self.current.lock();
        current.presence = Presence::Stored;
        current.key = Some(Arc::clone(&attributes.key));
        current.transition().cookie = self.set_cookie(id, &attributes);
        Ok(())
    }

    /// Begins a session with nothing in it, for a handshake: it lives shortly until something is written.
    pub(crate) async fn begin_provisional(&self) -> Result<(), Error> {
        self.begin(Work::of(Changes::new()), true).await
    }

    async fn update(&self, turn: Option<Turn>, work: Work) -> Result<(), Error> {
        let Some(mut attributes) = work.attributes else { return Err(self.note_gone(self.id())) };
        let id = self.id();
        let change = change_of_attributes(&work.intent, !work.changes.is_empty(), &attributes);
        change.apply(&mut attributes);
        let active = !work.changes.is_empty() || work.intent.anything() || work.even_if_unchanged;
        let at = if active {
            Some(self.settings.lifetimes.expires_at(&attributes, clock::now()))
        } else {
            work.touch
        };
        let new_id = work.intent.cycle_id.then(|| self.next_id());
        let commit = Commit {
            id,
            lease: turn.as_ref().map_or_else(Lease::default, Turn::lease),
            action: new_id.map_or(Action::Update, Action::ChangeId),
            changes: work.changes,
            attributes: change,
            expires: at.map(|at| Expires::reckoned(at, &attributes)),
        };
        let announced = new_id.map(|_| self.registry().announce(id, Ending::IdChanged));
        // Until the end of this function, unless the backend passes it on.
        let _turn = self.commit_under(&commit, turn).await.map_err(|error| self.note_failure(id, error))?;

        if let Some(at) = at.filter(|_| work.intent.expiry.is_some()) {
            self.registry().sockets().note_expiry(id, at);
        }
        let sockets = announced.map(Announced::came_true);
        let mut current = self.current.lock();
        if let Some(new) = new_id {
            current.id = new;
            let transition = current.transition();
            transition.next = None;
            transition.changed_id = true;
            transition.to_disconnect.extend(sockets.into_iter().flatten());
        }
        if new_id.is_some() || work.intent.expiry.is_some() || work.even_if_unchanged {
            current.transition().cookie = self.set_cookie(current.id, &attributes);
        }
        Ok(())
    }

    /// Commits under a lease, if there is one. Gives the turn, unless it was passed on.
    async fn commit_under(&self, commit: &Commit, turn: Option<Turn>) -> Result<Option<Turn>, BackendError> {
        let Some(turn) = turn else {
            self.backend.commit(commit).await?;
            return Ok(None);
        };
        if commit.lease == Lease::default() {
            self.backend.commit(commit).await?;
            return Ok(Some(turn));
        }
        let line = Line::behind(turn);
        self.backend.commit_in_line(commit, &line).await?;
        Ok(line.into_turn().map(|mut turn| {
            turn.end_lease();
            turn
        }))
    }

    /// Ends the session. Once begun it runs to its end.
    pub(crate) fn end(self: &Arc<Self>) -> Detached {
        let live = Arc::clone(self);
        Detached::of(async move { live.carry_out_end().await })
    }

    async fn carry_out_end(&self) -> Result<(), Error> {
        self.resolve().await?;
        if let Presence::Dead(ending) = self.current.lock().presence {
            return Err(Error::new(ending.kind()));
        }
        let id = self.id();
        let mut sockets = Vec::new();
        if self.is_stored() {
            let announced = self.registry().announce(id, Ending::Ended);
            match self.backend.commit(&Commit::new(id, Action::End)).await {
                Ok(()) => sockets = announced.came_true(),
                Err(BackendError::Gone) => match self.registry().ending(id) {
                    // The session lives on under another id: who asked for its end is told.
                    Some(Ending::IdChanged) => return Err(Error::new(ErrorKind::IdChanged)),
                    // It has expired, or another logout came first: what was asked for holds.
                    Some(Ending::Ended) | None => sockets = announced.came_true(),
                },
                Err(error) => return Err(self.note_failure(id, error)),
            }
        }
        let mut current = self.current.lock();
        current.transition().to_disconnect.extend(sockets);
        if self.may_begin() {
            // What the request still writes begins another session.
            current.id = SessionId::random();
            current.presence = Presence::Absent;
            current.key = None;
        }
        current.transition().cookie = CookieEffect::Remove;
        Ok(())
    }

    fn beginning(&self) -> &tokio::sync::Mutex<()> {
        self.beginning.get_or_init(Box::default)
    }

    fn set_cookie(&self, id: SessionId, attributes: &Attributes) -> CookieEffect {
        CookieEffect::Set {
            id,
            expiry: self.settings.lifetimes.expiry_of(attributes),
            last: self.settings.lifetimes.last_moment(attributes),
        }
    }
}
