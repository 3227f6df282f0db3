//! What relays need of an engine: leases that it granted, and commits under them.

use std::{borrow::Cow, collections::HashMap, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    backend::{Arrivals, BackendError, Commit, Keys, Lease, Load, Loaded, millis::LONGEST},
    session::id::SessionId,
};

/// An engine that grants leases.
pub(in crate::backend) trait Engine: Send + Sync + 'static {
    /// What it knows of a lease beside what relays do.
    type Own: Send + Sync + 'static;

    /// How many calls have come to the queues of a session.
    fn arrivals(&self, id: SessionId) -> Arrivals;

    /// A lease that this process holds.
    fn held(&self, id: SessionId, lease: Lease) -> Option<Arc<Held<Self::Own>>>;

    /// It is not held any more.
    fn forget(&self, id: SessionId, lease: Lease) -> Option<Arc<Held<Self::Own>>>;

    /// Ends a lease.
    fn release(&self, id: SessionId, held: &Held<Self::Own>) -> impl Future<Output = ()> + Send;

    /// Commits, with a first guess of the values that changed fields are merged into.
    fn commit(
        &self,
        commit: &Commit,
        under: Option<UnderLease<'_, Self::Own>>,
        stored: &[Stored],
    ) -> impl Future<Output = Result<Done, BackendError>> + Send;
}

/// The lease under which a commit is made, and whether it outlives it.
pub(in crate::backend) struct UnderLease<'a, Own> {
    pub(in crate::backend) held: &'a Held<Own>,
    pub(in crate::backend) keep: Keep,
}

/// A lease that this process holds, and what a commit under it needs.
pub(in crate::backend) struct Held<Own> {
    pub(in crate::backend) lease: Lease,
    pub(in crate::backend) states: &'static [&'static str],
    /// The values as they stand there: what the changed fields are merged into.
    pub(in crate::backend) stored: Vec<Stored>,
    /// The session as it was loaded, where that is what its states' writers load: a relay may begin with it.
    pub(super) loaded: Option<Loaded>,
    /// Those who had come when it was asked for.
    pub(super) came: Arrivals,
    pub(super) asked: Instant,
    /// For how long a call may hold it.
    pub(in crate::backend) hold: Duration,
    /// How long it lasts unless it is renewed.
    pub(in crate::backend) length: Duration,
    /// When the renewing ends.
    last: Mutex<Instant>,
    pub(in crate::backend) own: Own,
}

/// The leases that this process holds.
pub(in crate::backend) type HeldLeases<Own> = Mutex<HashMap<(SessionId, Lease), Arc<Held<Own>>>>;

/// When a lease was asked for, and who had come by then.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Asked {
    at: Instant,
    came: Arrivals,
}

impl Asked {
    /// Now; these have come.
    pub(in crate::backend) fn now(came: Arrivals) -> Self {
        Self { at: Instant::now(), came }
    }
}

impl<Own> Held<Own> {
    /// One that was granted for that load.
    pub(in crate::backend) fn granted(
        load: Load,
        asked: Asked,
        length: Duration,
        loaded: &Loaded,
        mut stored: Vec<Stored>,
        own: Own,
    ) -> Self {
        stored.retain(|stored| load.turns.contains(&&*stored.key));
        let only_writes = matches!(load.keys, Keys::Only(keys) if keys == load.turns);
        let hold = load.hold.min(LONGEST);
        Self {
            lease: loaded.lease,
            states: load.turns,
            stored,
            loaded: only_writes.then(|| loaded.clone()),
            came: asked.came,
            asked: asked.at,
            hold,
            length,
            last: Mutex::new(asked.at + hold),
            own,
        }
    }

    /// Another call begins to hold it.
    pub(super) fn hold_from_now(&self) {
        *self.last.lock() = Instant::now() + self.hold;
    }

    /// Whether it is renewed still.
    pub(in crate::backend) fn is_renewed(&self) -> bool {
        *self.last.lock() > Instant::now()
    }
}

/// A value as it stands in the engine.
#[derive(Clone)]
pub(in crate::backend) struct Stored {
    pub(in crate::backend) key: Cow<'static, str>,
    pub(in crate::backend) json: Vec<u8>,
    /// By which the engine tells it from others, if not by its bytes.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "Redis compares the bytes"))]
    pub(in crate::backend) version: i64,
}

/// Whether the lease outlives the commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Keep {
    No,
    /// Another call of this node is to have it, unless other nodes wait.
    UnlessAwaited,
    /// Another call of this node has it.
    Yes,
}

/// What became of the lease.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum LeaseAfter {
    Ended,
    /// It is kept, and another node waits for it.
    Awaited,
    /// It is kept, and no other node waits for it.
    Unawaited,
    /// There was none, or the commit had taken place before.
    Unsaid,
}

/// What a commit came to.
pub(in crate::backend) struct Done {
    /// The values into which fields were merged, as they stand there now.
    pub(in crate::backend) stored: Vec<Stored>,
    /// They were not those that the changes were made from.
    pub(in crate::backend) merged_anew: bool,
    pub(in crate::backend) lease: LeaseAfter,
}
