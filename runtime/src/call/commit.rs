//! Committing to a live session: beginning, changing and ending it. A commit once begun runs to its end.

use std::{borrow::Cow, sync::Arc};

use time::OffsetDateTime;
use tower_sessions::Expiry;

use super::{
    detached::{Committed, Detached},
    live_session::{Beginning, CookieEffect, LiveSession, Lookup, Presence},
    write::{Under, Write, write},
};
use crate::{
    backend::{Action, Answer, AttributeChanges, Attributes, BackendError, Expires, Keys},
    call::intents::Intent,
    clock::{self, Now},
    error::{Error, ErrorKind},
    process::{Announced, Ending, News},
    session::{
        change::{Change, Changes},
        id::SessionId,
    },
    turns::{Behind, Turn},
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
fn change_of_attributes(work: &Work, known: &Attributes) -> AttributeChanges {
    // It never becomes provisional again: where it is known to be written, nothing need be said.
    let writes = !work.changes.is_empty()
        || work.intent.cycle_id
        || work.intent.expiry.is_some()
        || work.intent.ownership.is_some();
    let ownership = work.intent.ownership.clone();
    AttributeChanges { expiry: work.intent.expiry, written: known.provisional && writes, ownership }
}

/// What was asked to go goes, with what was changed in it.
fn remove(work: &mut Work) {
    for key in std::mem::take(&mut work.intent.removed).keys() {
        work.changes.retain(|(changed, _)| changed != key);
        work.changes.push((Cow::Borrowed(key), Change::Remove));
    }
}

/// What follows a commit beside what is stored. Boxed, for most have none.
struct Consequences {
    /// The new id, and that the old one is about to end.
    changed: Option<(SessionId, Announced)>,
    /// The expiry that was set, and when the session expires by it.
    #[allow(clippy::option_option, reason = "no expiry of its own is one to be set")]
    set: Option<(Option<Expiry>, Option<OffsetDateTime>)>,
    cookie: CookieEffect,
    /// What the connection that keeps what it has last seen sees by it.
    seen: Option<Changes>,
}

/// What a commit is to those who listen to the session.
enum Tidings {
    /// None of the states has changed.
    None,
    These(Box<News>),
    /// Nobody listened when it began.
    Unknown,
}

impl LiveSession {
    /// Commits under the turn, if there is one. It begins at once and runs to its end, also when the caller drops the
    /// future.
    pub(crate) fn commit(self: &Arc<Self>, mut work: Work, turn: Option<Turn>) -> Detached {
        let passed_on = turn.as_ref().is_some_and(Turn::lease_was_passed_on);
        if work.is_nothing() && !passed_on {
            return Detached::done(Ok(()), turn);
        }
        let now = Now::read();
        let held = turn.as_ref().map_or(Ok(()), |turn| turn.begin_commit(now.instant));
        if let Err(error) = held {
            return Detached::done(Err(error), turn);
        }
        let stored = {
            let mut current = self.current.lock();
            // A handler has not loaded whose the session is.
            let is_known = current.presence == Presence::Stored && work.intent.ownership.is_none();
            let attributes = work.attributes.take().filter(|_| is_known);
            attributes.map(|attributes| {
                let attributes = current.with_later_changes(attributes);
                (current.id, attributes, current.last_seen().is_some())
            })
        };
        if let Some((id, attributes, is_kept)) = stored {
            return self.update(id, work, attributes, turn, now.wall, is_kept).into();
        }
        Detached::of(Arc::clone(self).find_and_commit(work, turn))
    }

    /// Commits where it is not known whether there is a session, or what it is.
    async fn find_and_commit(self: Arc<Self>, work: Work, turn: Option<Turn>) -> Committed {
        let _beginning = if self.is_stored() { None } else { Some(self.beginning().lock().await) };
        let outcome = match self.find().await {
            Ok(Some(attributes)) => {
                let is_kept = self.current.lock().last_seen().is_some();
                return self.update(self.id(), work, attributes, turn, clock::now(), is_kept).await;
            }
            Ok(None) => self.begin_if_it_may(work).await,
            Err(error) => Err(error),
        };
        Committed { outcome, behind: Behind::turn(turn) }
    }

    async fn begin_if_it_may(&self, work: Work) -> Result<(), Error> {
        // That it is nobody's is no reason for a session.
        let owns = work.intent.ownership.as_ref().is_some_and(|changes| changes.apply(None).is_some());
        let writes = !work.changes.is_empty() || work.even_if_unchanged || owns;
        let is_dead = matches!(self.current.lock().presence, Presence::Dead(_));
        if !writes && !is_dead {
            return Ok(());
        }
        match self.beginning_of(writes && work.intent.logs_in())? {
            Beginning::Begins => self.begin(work, false).await,
            Beginning::LeftOut => {
                self.current.lock().transition().left_out = true;
                Ok(())
            }
        }
    }

    /// The session that is to be written to. `None`: one may begin.
    async fn find(&self) -> Result<Option<Attributes>, Error> {
        loop {
            match self.load_with_ownership().await? {
                Lookup::Found(loaded) => return Ok(Some(loaded.attributes)),
                Lookup::Nothing => return Ok(None),
                Lookup::Renamed => {}
            }
        }
    }

    /// Begins a session, of which the response sets the cookie.
    async fn begin(&self, work: Work, provisional: bool) -> Result<(), Error> {
        let id = self.id();
        let mut attributes = Attributes::new(id);
        attributes.expiry = work.intent.expiry.flatten();
        attributes.ownership = work.intent.ownership.as_ref().and_then(|changes| changes.apply(None));
        attributes.provisional = provisional;
        let mut new = Write::of(id, Action::Create(attributes.clone()));
        new.changes = work.changes;
        new.loaded = attributes.ownership.is_some().then(|| Box::new(attributes.clone()));
        // Of what was read as nothing there is nothing to remove.
        if !work.intent.removed.is_empty() {
            let removed = work.intent.removed.keys();
            new.changes.retain(|(key, _)| !removed.contains(&**key));
        }
        new.expires = Some(self.settings.lifetimes.expires(&attributes, clock::now()));
        let (created, _) = write(&*self.backend, new, None, self.settings.backend_timeout);
        created.await.map_err(|error| self.note_not_begun(id, error))?;
        if self.has_begun(id, &attributes) {
            return Ok(());
        }
        // Its request is over by now: the session would live under a cookie that nobody gets.
        let (ended, _) =
            write(&*self.backend, Write::of(id, Action::End), None, self.settings.backend_timeout);
        ended.await.map_err(|error| self.note_failure(id, error))?;
        Err(Error::new(ErrorKind::NoSession))
    }

    /// Another one may still begin in the same request: under another id, for a record may be there under this one.
    fn note_not_begun(&self, id: SessionId, error: BackendError) -> Error {
        {
            let mut current = self.current.lock();
            if current.id == id && current.presence != Presence::Stored {
                (current.id, current.key) = (SessionId::random(), None);
            }
        }
        self.note_failure(id, error)
    }

    /// Notes that a session has begun, if an answer can still set its cookie.
    fn has_begun(&self, id: SessionId, attributes: &Attributes) -> bool {
        let mut current = self.current.lock();
        // Under the lock: the answer takes the cookie after it said that it sets no other.
        let has_begun = self.may_begin();
        if has_begun {
            // A changed id was shown, and somebody is logged in anew: that cookie may be overwritten.
            let in_place_of_changed = matches!(current.presence, Presence::Dead(_));
            current.transition().changed_id |= in_place_of_changed;
            current.presence = Presence::Stored;
            current.key = Some(Arc::clone(&attributes.key));
            current.transition().began = true;
            current.transition().cookie = self.set_cookie(id, attributes);
        }
        has_begun
    }

    /// Begins a session with nothing in it, for a handshake: it lives shortly until something is written.
    pub(crate) async fn begin_provisional(&self) -> Result<(), Error> {
        let begun = self.begin(Work::of(Changes::new()), true).await;
        // Nothing of the client's was to be saved: it tries again.
        begun.map_err(|error| match error.kind() {
            ErrorKind::OutcomeUnknown => Error::new(ErrorKind::Backend).because(error),
            _ => error,
        })
    }

    /// Changes a session that is there, and was loaded with these attributes. `is_kept`: what the connection has last seen
    /// of it.
    fn update(
        self: &Arc<Self>,
        id: SessionId,
        mut work: Work,
        mut attributes: Attributes,
        turn: Option<Turn>,
        now: OffsetDateTime,
        is_kept: bool,
    ) -> Answer<Committed> {
        if !work.intent.removed.is_empty() {
            remove(&mut work);
        }
        // Who has the id from before the owner came would be that owner, too.
        if let Some(Some(owner)) = work.intent.ownership.as_ref().map(|change| &change.owner) {
            work.intent.cycle_id |= owner.as_deref() != attributes.owner();
        }
        let asked = !work.changes.is_empty() || work.intent.anything();
        let active = asked || work.even_if_unchanged;
        // Where it saves nothing that a handler wants; unless it is to tell whether what the call saw was saved.
        let may_fail = !asked && !turn.as_ref().is_some_and(Turn::lease_was_passed_on);
        let change = change_of_attributes(&work, &attributes);
        let is_indexed = work.intent.cycle_id || change.ownership.is_some();
        let loaded = is_indexed.then(|| Box::new(attributes.clone()));
        change.apply(&mut attributes);
        let expires = if active {
            Some(self.settings.lifetimes.expires(&attributes, now))
        } else {
            work.touch.map(|at| Expires::reckoned(at, &attributes))
        };
        let new_id = work.intent.cycle_id.then(|| self.next_id());
        let has_consequences =
            new_id.is_some() || change.expiry.is_some() || work.even_if_unchanged || is_kept;
        let consequences = has_consequences.then(|| {
            let changed = new_id.map(|new| (new, self.registry().announce(id, Ending::IdChanged)));
            let set = change.expiry.map(|expiry| (expiry, expires.map(|expires| expires.at)));
            let cookie = self.set_cookie(new_id.unwrap_or(id), &attributes);
            let seen = is_kept.then(|| work.changes.clone());
            Box::new(Consequences { changed, set, cookie, seen })
        });
        let tidings = self.tidings(&work.changes, new_id.is_some());
        let action = new_id.map_or(Action::Update, Action::ChangeId);
        let (changes, revoked) = (work.changes, false);
        let update = Write { id, action, changes, attributes: change, expires, revoked, loaded };
        let (answer, under) = write(&*self.backend, update, turn, self.settings.backend_timeout);
        match answer {
            Answer::Ready(done) => {
                Answer::Ready(self.updated(id, done, may_fail, under, consequences, tidings))
            }
            Answer::Pending(answer) => {
                let live = Arc::clone(self);
                Answer::pending(async move {
                    live.updated(id, answer.await, may_fail, under, consequences, tidings)
                })
            }
        }
    }

    /// What those are told who listen to the session. Those of an id that ends hear nothing.
    fn tidings(&self, changes: &Changes, changes_id: bool) -> Tidings {
        if changes.is_empty() || changes_id {
            return Tidings::None;
        }
        // Where nobody listens yet, somebody may before the commit is in.
        let is_heard = self.registry().listeners().are_there();
        if is_heard { Tidings::These(Box::new(self.settings.live.news(changes))) } else { Tidings::Unknown }
    }

    fn tell(&self, id: SessionId, tidings: Tidings) {
        let listeners = self.registry().listeners();
        match tidings {
            Tidings::These(news) => listeners.tell(id, &news),
            Tidings::Unknown if listeners.are_there() => listeners.tell(id, &News::Unknown),
            Tidings::Unknown | Tidings::None => {}
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what a commit leaves behind, each once")]
    fn updated(
        &self,
        id: SessionId,
        done: Result<(), BackendError>,
        may_fail: bool,
        under: Under,
        consequences: Option<Box<Consequences>>,
        tidings: Tidings,
    ) -> Committed {
        let behind = under.behind(&done);
        let outcome = match done {
            Ok(()) => {
                if let Some(consequences) = consequences {
                    self.draw(id, *consequences);
                }
                self.tell(id, tidings);
                Ok(())
            }
            Err(error) => {
                match (consequences, &error) {
                    (Some(consequences), BackendError::OldIdMayLive(_)) => self.draw(id, *consequences),
                    // First what did not come true: the session may have ended in another way.
                    (consequences, _) => drop(consequences),
                }
                if matches!(error, BackendError::OutcomeUnknown(_)) && !matches!(tidings, Tidings::None) {
                    // It may have taken place.
                    self.tell(id, Tidings::Unknown);
                }
                let error = self.note_failure(id, error);
                if may_fail && error.is_the_backends() {
                    self.log_unsaved_touch(&error);
                    Ok(())
                } else {
                    Err(error)
                }
            }
        };
        Committed { outcome, behind }
    }

    /// A call that changed nothing does not fail because its activity could not be written: the next one tries again.
    fn log_unsaved_touch(&self, error: &Error) {
        let cause = std::error::Error::source(error).map(tracing::field::display);
        self.registry().unsaved_touches().log(|left_out| {
            tracing::warn!(cause, left_out, "that a session was active could not be saved: {error}");
        });
    }

    fn draw(&self, id: SessionId, Consequences { changed, set, cookie, seen }: Consequences) {
        if let Some((_, Some(expires))) = set {
            self.registry().sockets().note_expiry(id, expires);
        }
        let changed = changed.map(|(new, announced)| {
            self.log_end(Ending::IdChanged);
            (new, announced.came_true())
        });
        let mut current = self.current.lock();
        if let (Some(last_seen), Some(changes)) = (current.last_seen(), seen) {
            last_seen.note_committed(&changes);
        }
        if let Some((new, sockets)) = changed {
            current.id = new;
            let transition = current.transition();
            transition.former.push(id);
            transition.next = None;
            transition.changed_id = true;
            transition.to_disconnect.extend(sockets);
        }
        let transition = current.transition();
        transition.expiry = set.map(|(expiry, _)| expiry).or(transition.expiry);
        transition.cookie = cookie;
    }

    /// What an operator reads of a session's life.
    fn log_end(&self, how: Ending) {
        // As the spans have it: what an operator filters by is no file of ours.
        const TARGET: &str = "socketioxide_session";
        let key = self.known_key();
        let (reason, key) = (how.reason(), key.as_deref());
        match how {
            Ending::IdChanged => tracing::info!(target: TARGET, key, "a session has a new id"),
            Ending::Ended | Ending::Expired | Ending::Revoked => {
                tracing::info!(target: TARGET, reason, key, "a session has ended");
            }
        }
    }

    /// Ends the session. Once begun it runs to its end. It waits for no turn: that of the call ends at once.
    pub(crate) fn end(self: &Arc<Self>, turn: Option<Turn>) -> Detached {
        self.end_as(Ending::Ended, turn)
    }

    /// The same, in this way.
    pub(crate) fn end_as(self: &Arc<Self>, ending: Ending, turn: Option<Turn>) -> Detached {
        let live = Arc::clone(self);
        let mut behind = Behind::turn(turn);
        behind.let_next_go_on();
        Detached::of(async move { Committed { outcome: live.carry_out_end(ending).await, behind } })
    }

    async fn carry_out_end(&self, how: Ending) -> Result<(), Error> {
        self.resolve().await?;
        if let Presence::Dead(ending) = self.current.lock().presence {
            return Err(Error::new(ending.kind()));
        }
        let (id, was_there) = (self.id(), self.is_stored());
        let mut sockets = Vec::new();
        if was_there {
            let announced = self.registry().announce(id, how);
            let end = Write { revoked: how == Ending::Revoked, ..Write::of(id, Action::End) };
            let (ended, _) = write(&*self.backend, end, None, self.settings.backend_timeout);
            match ended.await {
                Ok(()) => {
                    self.log_end(how);
                    sockets = announced.came_true();
                }
                Err(BackendError::Gone) => match self.ending_of(id) {
                    // The session lives on under another id: who asked for its end is told.
                    Some(Ending::IdChanged) => return Err(Error::new(ErrorKind::IdChanged)),
                    // It has expired, or another logout came first: what was asked for holds.
                    Some(Ending::Ended | Ending::Expired | Ending::Revoked) | None => {
                        sockets = announced.came_true();
                    }
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
        let transition = current.transition();
        transition.expiry = None;
        let began = std::mem::take(&mut transition.began);
        transition.shown_one_ended |= was_there && !began;
        transition.cookie = CookieEffect::Remove { was_there: transition.shown_one_ended };
        Ok(())
    }

    fn beginning(&self) -> &tokio::sync::Mutex<()> {
        self.beginning.get_or_init(Box::default)
    }

    /// Has the response set the cookie as it is, if there is a session.
    pub(crate) async fn set_cookie_again(&self) -> Result<(), Error> {
        if let Lookup::Found(loaded) = self.load(Keys::Only(&[])).await? {
            let mut current = self.current.lock();
            current.transition().cookie = self.set_cookie(current.id, &loaded.attributes);
        }
        Ok(())
    }

    fn set_cookie(&self, id: SessionId, attributes: &Attributes) -> CookieEffect {
        CookieEffect::Set {
            id,
            expiry: self.settings.lifetimes.expiry_of(attributes),
            last: self.settings.lifetimes.last_moment(attributes),
        }
    }
}
