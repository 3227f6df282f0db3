//! A backend that counts its leases and misbehaves on request.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use socketioxide_session::{
    Backend, MemoryBackend,
    backend::{Answer, BackendError, Commit, Lease, Load, Loaded, Registry, SessionId},
};

use crate::soon;

/// What the next commit (or taking of a turn) meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TurnTimeout,
    TurnLost,
    NotJson,
    Failed,
    OutcomeUnknown,
}

impl Fault {
    fn error(self) -> BackendError {
        match self {
            Self::TurnTimeout => BackendError::TurnTimeout,
            Self::TurnLost => BackendError::TurnLost,
            Self::NotJson => BackendError::NotJson("user".to_owned()),
            Self::Failed => BackendError::failed("a fault that a test asked for"),
            Self::OutcomeUnknown => BackendError::OutcomeUnknown("a fault that a test asked for".into()),
        }
    }
}

/// Memory, with leases as a backend of several processes has them.
#[derive(Clone, Debug, Default)]
pub struct LeaseBackend {
    memory: MemoryBackend,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    granted: u64,
    held: HashSet<u64>,
    at_load: Option<Fault>,
    at_commit: Option<Fault>,
    /// How long somebody else has the turn.
    busy: Duration,
    wrong: Vec<String>,
}

impl LeaseBackend {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in here")
    }

    pub fn fail_next_load(&self, fault: Fault) {
        self.state().at_load = Some(fault);
    }

    pub fn fail_next_commit(&self, fault: Fault) {
        self.state().at_commit = Some(fault);
    }

    /// From now on a turn takes so long to come.
    pub fn busy(&self, wait: Duration) {
        self.state().busy = wait;
    }

    /// How many leases were granted so far.
    pub fn granted(&self) -> u64 {
        self.state().granted
    }

    /// Waits until no lease is held, each having been ended once.
    pub async fn all_ended(&self) {
        soon("the end of all leases", async {
            while !self.state().held.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let state = self.state();
        assert!(state.wrong.is_empty(), "{:?}", state.wrong);
    }

    fn end(&self, lease: Lease, by: &str) {
        let mut state = self.state();
        if lease != Lease::default() && !state.held.remove(&lease.0) {
            let wrong = format!("lease {} was ended again by a {by}", lease.0);
            state.wrong.push(wrong);
        }
    }

    async fn take(self, id: SessionId, load: Load) -> Result<Option<Loaded>, BackendError> {
        let (busy, fault) = {
            let mut state = self.state();
            (state.busy, state.at_load.take())
        };
        tokio::time::sleep(busy.min(load.wait)).await;
        if let Some(fault) = fault.or((busy > load.wait).then_some(Fault::TurnTimeout)) {
            return Err(fault.error());
        }
        let loaded = self.memory.load(id, load).await?;
        Ok(loaded.map(|mut loaded| {
            let mut state = self.state();
            state.granted += 1;
            let lease = state.granted;
            state.held.insert(lease);
            loaded.lease = Lease(lease);
            loaded
        }))
    }

    async fn carry_out(self, commit: Commit) -> Result<(), BackendError> {
        if let Some(fault) = self.state().at_commit.take() {
            return Err(fault.error());
        }
        let lease = commit.lease;
        self.memory.commit(commit).await?;
        self.end(lease, "commit");
        Ok(())
    }
}

impl Backend for LeaseBackend {
    fn registry(&self) -> &Registry {
        self.memory.registry()
    }

    fn load(&self, id: SessionId, load: Load) -> Answer<Result<Option<Loaded>, BackendError>> {
        // As others of several processes, it does not have sessions at hand.
        if load.turns.is_empty() {
            let memory = self.memory.clone();
            return Answer::pending(async move { memory.load(id, load).await });
        }
        Answer::pending(self.clone().take(id, load))
    }

    fn commit(&self, commit: Commit) -> Answer<Result<(), BackendError>> {
        Answer::pending(self.clone().carry_out(commit))
    }

    fn release(&self, _: SessionId, lease: Lease) -> Answer<()> {
        let backend = self.clone();
        Answer::pending(async move { backend.end(lease, "release") })
    }
}
