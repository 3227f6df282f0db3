//! What a call, or a request, wants of the session itself, and where that is collected until its end is known.

use parking_lot::{Mutex, MutexGuard};
use tower_sessions::Expiry;

use super::{after_commit::AfterCommit, removed::Removed};
use crate::{
    error::{Error, ErrorKind},
    session::ownership::OwnershipChanges,
};

/// What was asked for in a call (or, in HTTP, in a request) and is not carried out yet.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub(crate) struct Intent {
    pub(crate) cycle_id: bool,
    pub(crate) flush: bool,
    pub(crate) keep_changes: bool,
    /// A call of the request kept its changes: what a plain `Session` changed is kept, too. Other calls decide for themselves.
    pub(crate) keep_plain: bool,
    /// The outer `Option`: whether it was asked for at all.
    #[allow(clippy::option_option, reason = "no expiry of its own is an expiry to ask for")]
    pub(crate) expiry: Option<Option<Expiry>>,
    /// The states that are to go.
    pub(crate) removed: Removed,
    /// Boxed: few calls ask for an owner or a label.
    pub(crate) ownership: Option<Box<OwnershipChanges>>,
}

impl Intent {
    /// Whether there is something to carry out.
    pub(crate) fn anything(&self) -> bool {
        self.cycle_id
            || self.flush
            || self.expiry.is_some()
            || !self.removed.is_empty()
            || self.ownership.is_some()
    }

    /// Whether somebody is logged in: a session may begin for that.
    pub(crate) fn logs_in(&self) -> bool {
        self.cycle_id || self.ownership.as_ref().is_some_and(|change| matches!(change.owner, Some(Some(_))))
    }

    /// Both. Of two expiries the other one counts.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cycle_id: self.cycle_id || other.cycle_id,
            flush: self.flush || other.flush,
            keep_changes: self.keep_changes || other.keep_changes,
            keep_plain: self.keep_plain || other.keep_plain,
            expiry: other.expiry.or(self.expiry),
            removed: self.removed.and(other.removed),
            ownership: match (self.ownership, other.ownership) {
                (Some(one), Some(other)) => Some(Box::new(one.and(*other))),
                (one, other) => one.or(other),
            },
        }
    }
}

/// Collects what is asked for, until it is taken to be carried out.
#[derive(Debug)]
pub(crate) struct Intents {
    collected: Mutex<Collected>,
    /// Whether a cookie can be set at the end.
    can_cycle: bool,
}

#[derive(Debug, Default)]
struct Collected {
    intent: Intent,
    /// Boxed: most calls have none.
    after: Option<Box<AfterCommit>>,
    /// Nothing can be asked for any more.
    closed: bool,
}

impl Intents {
    pub(crate) fn new(can_cycle: bool) -> Self {
        Self { collected: Mutex::default(), can_cycle }
    }

    /// Whether a cookie can be set at the end.
    pub(crate) fn can_cycle(&self) -> bool {
        self.can_cycle
    }

    /// Asks for something.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] once it is too late to carry it out.
    pub(crate) fn ask(&self, change: impl FnOnce(&mut Intent)) -> Result<(), Error> {
        change(&mut self.open()?.intent);
        Ok(())
    }

    /// Has a future begun once what is asked for is carried out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] once it is too late for that.
    pub(crate) fn after_commit(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        self.open()?.after.get_or_insert_default().add(future);
        Ok(())
    }

    fn open(&self) -> Result<MutexGuard<'_, Collected>, Error> {
        let collected = self.collected.lock();
        if collected.closed {
            return Err(Error::with_text(
                ErrorKind::Unavailable,
                "this `SessionControl` was kept past its request, so that nothing would carry out what it asks: ask \
                 before the response leaves",
            ));
        }
        Ok(collected)
    }

    /// Whether something is to be begun afterwards.
    pub(crate) fn have_after(&self) -> bool {
        self.collected.lock().after.is_some()
    }

    /// Takes what is to be begun afterwards.
    pub(crate) fn take_after(&self) -> Option<Box<AfterCommit>> {
        self.collected.lock().after.take()
    }

    pub(crate) fn so_far(&self) -> Intent {
        self.collected.lock().intent.clone()
    }

    /// Takes what was asked for, to carry it out. More may be asked for after it.
    pub(super) fn take(&self) -> Intent {
        let mut collected = self.collected.lock();
        let for_the_request = Intent { keep_plain: collected.intent.keep_plain, ..Intent::default() };
        std::mem::replace(&mut collected.intent, for_the_request)
    }

    /// Takes what was asked for, to carry it out. Nothing can be asked for after it.
    pub(crate) fn close(&self) -> Intent {
        let mut collected = self.collected.lock();
        collected.closed = true;
        std::mem::take(&mut collected.intent)
    }

    /// Back to what was asked for before, as far as it was not carried out meanwhile; but a session that shall end ends.
    pub(super) fn take_back(&self, before: Intent) {
        let mut collected = self.collected.lock();
        let Intent { cycle_id, keep_changes, expiry, removed, ownership, .. } = &mut collected.intent;
        *cycle_id &= before.cycle_id;
        *keep_changes &= before.keep_changes;
        *expiry = expiry.and(before.expiry);
        if !removed.is_empty() {
            *removed = before.removed;
        }
        if ownership.is_some() {
            *ownership = before.ownership;
        }
    }
}
