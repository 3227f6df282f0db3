//! The sessions whose commits this node wants to hear of, so that where nobody listens a commit sends nothing.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::{records::get, wire::Wire};
use crate::backend::{BackendError, HiddenId, SessionId};

/// How many sessions may begin or end to be followed at once, as a rule.
const GATES: usize = 64;

pub(super) struct Followed {
    wire: Arc<Wire>,
    /// Who begins to follow a session stands there before whoever ended to is noted, or after that.
    gates: Vec<AsyncMutex<()>>,
    sessions: Mutex<HashMap<HiddenId, Count>>,
}

struct Count {
    here: usize,
    /// How many commits there were when it was last looked at.
    commits: i64,
}

/// A session is followed until this is dropped.
pub(super) struct Following {
    followed: Weak<Followed>,
    hidden: HiddenId,
}

impl Followed {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self { wire, gates: (0..GATES).map(|_| AsyncMutex::default()).collect(), sessions: Mutex::default() }
    }

    fn gate(&self, hidden: &HiddenId) -> &AsyncMutex<()> {
        &self.gates[usize::from(hidden.as_bytes()[0]) % GATES]
    }

    /// Follows a session. When this gives, other nodes know it.
    pub(super) async fn begin(self: &Arc<Self>, id: SessionId) -> Result<Following, BackendError> {
        let hidden = self.wire.hidden(id);
        let _gate = self.gate(&hidden).lock().await;
        let is_first = {
            let mut sessions = self.sessions.lock();
            let count = sessions.entry(hidden).or_insert(Count { here: 0, commits: 0 });
            count.here += 1;
            count.here == 1
        };
        let following = Following { followed: Arc::downgrade(self), hidden };
        let follow = || {
            let follow = sqlx::query(&self.wire.statements.follow).bind(hidden.as_bytes().to_vec());
            follow.bind(&*self.wire.node)
        };
        let row = self.wire.link.ask(follow).await?.ok_or(BackendError::Gone)?;
        let commits = get(&row, "commits")?;
        // Those who follow it already have not looked at what came since.
        if is_first && let Some(count) = self.sessions.lock().get_mut(&hidden) {
            count.commits = count.commits.max(commits);
        }
        Ok(following)
    }

    /// All that are followed.
    pub(super) fn all(&self) -> Vec<HiddenId> {
        self.sessions.lock().keys().copied().collect()
    }

    /// Whether there were commits since it was last looked at.
    pub(super) fn has_new(&self, hidden: &HiddenId, commits: i64) -> bool {
        let mut sessions = self.sessions.lock();
        sessions
            .get_mut(hidden)
            .is_some_and(|count| std::mem::replace(&mut count.commits, commits) != commits)
    }

    /// Says anew what is followed, which the others may have forgotten.
    pub(super) async fn begin_anew(&self) -> Result<(), BackendError> {
        let all: Vec<_> = self.all().iter().map(|hidden| hidden.as_bytes().to_vec()).collect();
        if all.is_empty() {
            return Ok(());
        }
        let follow =
            || sqlx::query(&self.wire.statements.follow_all).bind(all.clone()).bind(&*self.wire.node);
        self.wire.link.ask_all(follow).await.map(drop)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let Some(followed) = self.followed.upgrade() else { return };
        {
            let mut sessions = followed.sessions.lock();
            let Entry::Occupied(mut entry) = sessions.entry(self.hidden) else { return };
            entry.get_mut().here -= 1;
            if entry.get().here > 0 {
                return;
            }
            entry.remove();
        }
        let (hidden, Ok(runtime)) = (self.hidden, tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            let _gate = followed.gate(&hidden).lock().await;
            // Somebody began to follow it again meanwhile.
            if followed.sessions.lock().contains_key(&hidden) {
                return;
            }
            let wire = &followed.wire;
            let unfollow = || {
                let unfollow = sqlx::query(&wire.statements.unfollow).bind(hidden.as_bytes().to_vec());
                unfollow.bind(&*wire.node)
            };
            wire.link.ask_all(unfollow).await.ok();
        });
    }
}
