//! Relays: where a call commits and the next one here waits for the very same turn, that one goes on under the same
//! lease.
//!
//! If the next call had come before the values were asked for, it goes on at once, with what its predecessor leaves,
//! while a task sends the commit; what is committed meanwhile travels in the next one. If it came later, it goes on when
//! the commit is in, which shows that the values were still those of the engine, unless other nodes wait by then. The last
//! commit ends the lease. Each call is told after its own data is in. If a commit fails, the calls after it saw what was
//! never saved: they fail, too, and nothing of theirs is sent.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    engine::{Engine, Keep, UnderLease},
    one::{Pending, Relay, Step, is_ordinary},
    told,
};
use crate::{
    backend::{BackendError, Commit, Lease, Line, Load, Loaded},
    session::id::{BySession, SessionId},
};

/// The relays that are under way. All commits under a lease pass here.
pub(in crate::backend) struct Relays<E: Engine> {
    engine: E,
    running: Mutex<BySession<Vec<Running<E>>>>,
}

type Running<E> = Arc<Relay<<E as Engine>::Own>>;

impl<E: Engine> Relays<E> {
    pub(in crate::backend) fn new(engine: E) -> Self {
        Self { engine, running: Mutex::default() }
    }

    /// What a call loads to which the call before passed its lease on. `None` if it has to ask the engine, because the
    /// values did not come in.
    pub(in crate::backend) fn join(self: &Arc<Self>, id: SessionId, load: Load) -> Option<Loaded> {
        let relay = self.of(id, load.lease)?;
        let loaded = relay.join();
        if loaded.is_none() {
            self.close(&relay);
        }
        loaded
    }

    /// Commits, and ends the lease.
    pub(in crate::backend) async fn commit(&self, commit: &Commit) -> Result<(), BackendError> {
        let (id, lease) = (commit.id, commit.lease);
        let held = if lease == Lease::default() {
            None
        } else {
            Some(self.engine.held(id, lease).ok_or(BackendError::TurnLost)?)
        };
        let stored = held.as_ref().map_or(&[][..], |held| &held.stored);
        self.engine
            .commit(commit, held.as_deref().map(|held| UnderLease { held, keep: Keep::No }), stored)
            .await?;
        self.engine.forget(id, lease);
        Ok(())
    }

    /// Commits, and lets the next call here go on before that is in, if it may.
    pub(in crate::backend) async fn commit_in_line(
        self: &Arc<Self>,
        commit: Commit,
        line: &Line,
    ) -> Result<(), BackendError> {
        let relay = self.of(commit.id, commit.lease).or_else(|| self.begin(&commit, line));
        let Some(relay) = relay else { return self.commit(&commit).await };
        let pending = relay.hand_over(commit, line)?;
        self.keep_sending(&relay);
        pending.told.wait().await.clone().map_err(told::copy)?;
        if pending.waits_to_pass_on && !relay.pass_on(line) {
            self.close(&relay);
        }
        Ok(())
    }

    /// Ends a lease: that of a relay once all its commits are in.
    pub(in crate::backend) async fn release(self: &Arc<Self>, id: SessionId, lease: Lease) {
        if let Some(relay) = self.of(id, lease) {
            self.close(&relay);
        } else if let Some(held) = self.engine.forget(id, lease) {
            self.engine.release(id, &held).await;
        }
    }

    /// Whether all is in that calls here have committed to a session.
    #[cfg(feature = "redis")]
    pub(in crate::backend) fn is_settled(&self, id: SessionId) -> bool {
        self.last_of(id).is_empty()
    }

    /// Waits until all is in that calls here have committed to a session.
    pub(in crate::backend) async fn settle(&self, id: SessionId) {
        for last in self.last_of(id) {
            last.told.wait().await;
        }
    }

    fn of(&self, id: SessionId, lease: Lease) -> Option<Running<E>> {
        self.running.lock().get(&id)?.iter().find(|relay| relay.lease() == lease).cloned()
    }

    /// The last commit of each relay of a session that its calls are not told of yet.
    fn last_of(&self, id: SessionId) -> Vec<Arc<Pending>> {
        let running = self.running.lock();
        running.get(&id).into_iter().flatten().filter_map(|relay| relay.last()).collect()
    }

    fn begin(&self, commit: &Commit, line: &Line) -> Option<Running<E>> {
        let held = self.engine.held(commit.id, commit.lease)?;
        let loaded = held.loaded.clone()?;
        let until = held.asked + held.hold.min(held.length) / 2;
        if !is_ordinary(commit) || Instant::now() >= until || line.next_came().is_none() {
            return None;
        }
        let relay = Arc::new(Relay::new(commit.id, held, loaded, until));
        self.running.lock().entry(commit.id).or_default().push(Arc::clone(&relay));
        Some(relay)
    }

    fn close(self: &Arc<Self>, relay: &Running<E>) {
        relay.close();
        self.keep_sending(relay);
    }

    /// On a task of its own: whoever commits may be dropped.
    fn keep_sending(self: &Arc<Self>, relay: &Running<E>) {
        if relay.begin_sending() {
            let sends = Sends { relays: Arc::clone(self), relay: Arc::clone(relay), done: false };
            tokio::spawn(sends.send_all());
        }
    }

    async fn send_all(&self, relay: &Running<E>) {
        loop {
            relay.let_others_hand_over().await;
            match relay.begin_next() {
                Step::Commit { merged, stored, keep } => {
                    let came = self.engine.arrivals(relay.id);
                    let under = UnderLease { held: &*relay.held, keep };
                    let done = self.engine.commit(&merged, Some(under), &stored).await;
                    relay.finish(done, came);
                }
                Step::EndLease => self.engine.release(relay.id, &relay.held).await,
                Step::Nothing { ended } => {
                    if ended {
                        self.forget(relay);
                    }
                    return;
                }
            }
        }
    }

    fn forget(&self, relay: &Running<E>) {
        self.engine.forget(relay.id, relay.lease());
        let mut running = self.running.lock();
        if let Some(of_session) = running.get_mut(&relay.id) {
            of_session.retain(|other| !Arc::ptr_eq(relay, other));
            if of_session.is_empty() {
                running.remove(&relay.id);
            }
        }
    }
}

/// A relay in the hands of its task, which may end with its runtime: then nobody waits for what was not sent.
struct Sends<E: Engine> {
    relays: Arc<Relays<E>>,
    relay: Running<E>,
    done: bool,
}

impl<E: Engine> Sends<E> {
    async fn send_all(mut self) {
        self.relays.send_all(&self.relay).await;
        self.done = true;
    }
}

impl<E: Engine> Drop for Sends<E> {
    fn drop(&mut self) {
        if !self.done {
            self.relay.abandon(BackendError::OutcomeUnknown("the runtime ended in which it was sent".into()));
            self.relays.forget(&self.relay);
        }
    }
}
