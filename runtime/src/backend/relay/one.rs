//! One relay: calls that have the same turns one after the other under one lease, on values that are kept here, and
//! whose commits travel together. Decides what is sent next and who is told what; sends nothing itself.

use std::{collections::VecDeque, mem, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::SetOnce, task::yield_now, time::Instant};

use super::{
    engine::{Done, Held, Keep, LeaseAfter, Stored},
    told::unsent,
};
use crate::{
    backend::{Action, Arrivals, BackendError, Commit, Lease, Line, Loaded, apply, text::TooLarge},
    session::{change::Change, id::SessionId},
};

/// The most calls under one lease.
const MOST_CALLS: usize = 64;

/// The calls that have a turn under one lease.
pub(super) struct Relay<Own> {
    pub(super) id: SessionId,
    pub(super) held: Arc<Held<Own>>,
    /// After this nobody else joins, so that other nodes get their turns.
    until: Instant,
    state: Mutex<State>,
}

struct State {
    /// What the next call loads: what the engine has, and the changes of all calls before it.
    loaded: Loaded,
    /// The values as they stand there.
    stored: Vec<Stored>,
    /// Those who had come when it was last known that they stood so.
    came: Arrivals,
    calls: usize,
    /// Commits that are not sent yet.
    waiting: VecDeque<Arc<Pending>>,
    /// Those that are under way.
    sent: Vec<Arc<Pending>>,
    /// How many of them may be sent together: one, after several were refused for what is in one of them.
    together: usize,
    /// A task sends.
    sending: bool,
    phase: Phase,
    failed: Option<Arc<BackendError>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A call has the turn.
    Held,
    /// No call has it any more: the lease ends with the last commit.
    Closing,
    /// The lease has ended.
    Ended,
}

/// A commit, and what its call is told.
pub(super) struct Pending {
    commit: Commit,
    /// Its call still has the turn, to pass it on when this is in.
    pub(super) waits_to_pass_on: bool,
    pub(super) told: SetOnce<Result<(), Arc<BackendError>>>,
}

/// What is sent next.
pub(super) enum Step {
    /// Several commits as one, and the values into which it is merged.
    Commit {
        merged: Box<Commit>,
        stored: Vec<Stored>,
        keep: Keep,
    },
    EndLease,
    /// Nothing, until somebody commits again; or ever, if the relay has `ended`.
    Nothing {
        ended: bool,
    },
}

impl<Own> Relay<Own> {
    pub(super) fn new(id: SessionId, held: Arc<Held<Own>>, loaded: Loaded, until: Instant) -> Self {
        let state = State {
            loaded,
            stored: held.stored.clone(),
            came: held.came,
            calls: 0,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            together: usize::MAX,
            sending: false,
            phase: Phase::Held,
            failed: None,
        };
        Self { id, held, until, state: Mutex::new(state) }
    }

    pub(super) fn lease(&self) -> Lease {
        self.held.lease
    }

    /// The next call begins to hold the turn: what it loads; `None` after a failure.
    pub(super) fn join(&self) -> Option<Loaded> {
        let state = self.state.lock();
        self.held.hold_from_now();
        state.failed.is_none().then(|| state.loaded.clone())
    }

    /// The last commit that its call is not told of yet.
    pub(super) fn last(&self) -> Option<Arc<Pending>> {
        let state = self.state.lock();
        state.waiting.back().or(state.sent.last()).cloned()
    }

    /// Takes a commit along, and passes the turn on if the relay may go on.
    pub(super) fn hand_over(&self, commit: Commit, line: &Line) -> Result<Arc<Pending>, BackendError> {
        let mut state = self.state.lock();
        if let Some(error) = &state.failed {
            return Err(unsent(error));
        }
        let ordinary = is_ordinary(&commit);
        if ordinary {
            apply(&mut state.loaded.values, &commit.changes)?;
            let expires = commit.expires_beside(&state.loaded.attributes);
            state.loaded.expires = expires.unwrap_or(state.loaded.expires);
        }
        state.calls += 1;
        let may_go_on = ordinary && state.calls < MOST_CALLS && Instant::now() < self.until;
        let waits_to_pass_on =
            may_go_on && line.next_came().is_some_and(|next| next > state.came) && self.is_whole(&commit);
        let pending = Arc::new(Pending { commit, waits_to_pass_on, told: SetOnce::new() });
        state.waiting.push_back(Arc::clone(&pending));
        let is_held = waits_to_pass_on || (may_go_on && line.pass_on(state.came));
        if !is_held {
            state.close();
        }
        Ok(pending)
    }

    /// Passes the turn on after a commit, if that showed that the values are those of the engine.
    pub(super) fn pass_on(&self, line: &Line) -> bool {
        let state = self.state.lock();
        let may_go_on = state.phase == Phase::Held && state.calls < MOST_CALLS;
        may_go_on && line.pass_on(state.came)
    }

    /// No call has the turn any more.
    pub(super) fn close(&self) {
        self.state.lock().close();
    }

    /// Whether a commit writes all values of the relay, so that it compares them with those of the engine.
    fn is_whole(&self, commit: &Commit) -> bool {
        commit.changes.len() == self.held.states.len()
    }

    /// `true`: the caller is to send, until there is [`Step::Nothing`].
    pub(super) fn begin_sending(&self) -> bool {
        !mem::replace(&mut self.state.lock().sending, true)
    }

    /// Lets those hand over who are ready to: as long as that makes the next commit larger.
    pub(super) async fn let_others_hand_over(&self) {
        let mut before = 0;
        loop {
            let calls = self.state.lock().calls;
            if calls == before {
                return;
            }
            before = calls;
            yield_now().await;
        }
    }

    /// Begins what is to be sent next. All before it is in.
    pub(super) fn begin_next(&self) -> Step {
        let mut state = self.state.lock();
        while let Some(nothing) = state.waiting.pop_front_if(|first| first.writes_nothing()) {
            nothing.told.set(Ok(())).ok();
        }
        if state.waiting.is_empty() {
            if state.phase == Phase::Closing {
                state.phase = Phase::Ended;
                return Step::EndLease;
            }
            state.sending = false;
            return Step::Nothing { ended: state.phase == Phase::Ended };
        }
        let ordinary = state.waiting.iter().take_while(|pending| is_ordinary(&pending.commit)).count();
        let together = ordinary.clamp(1, state.together);
        state.sent = state.waiting.drain(..together).collect();
        let keep = match state.sent.last() {
            Some(last) if last.waits_to_pass_on => Keep::UnlessAwaited,
            _ if state.phase == Phase::Held || !state.waiting.is_empty() => Keep::Yes,
            _ => Keep::No,
        };
        Step::Commit { merged: Box::new(merged(&state.sent)), stored: state.stored.clone(), keep }
    }

    /// What became of the commits under way, and who had come when they were sent.
    pub(super) fn finish(&self, result: Result<Done, BackendError>, came: Arrivals) {
        let mut state = self.state.lock();
        let sent = mem::take(&mut state.sent);
        let result = match result {
            Ok(done) => {
                if done.lease == LeaseAfter::Ended {
                    state.phase = Phase::Ended;
                }
                if done.merged_anew {
                    // Nobody else is given what is not quite what the engine has.
                    state.calls = MOST_CALLS;
                } else if done.lease == LeaseAfter::Unawaited && done.stored.len() == self.held.states.len() {
                    state.came = came;
                }
                state.now_stored(done.stored);
                Ok(())
            }
            Err(error) if sent.len() > 1 && is_of_one(&error) => {
                state.together = 1;
                sent.into_iter().rev().for_each(|pending| state.waiting.push_front(pending));
                return;
            }
            Err(error) => Err(state.fail(error)),
        };
        drop(state);
        for pending in sent {
            pending.told.set(result.clone()).ok();
        }
    }

    /// Nobody sends any more.
    pub(super) fn abandon(&self, error: BackendError) {
        let mut state = self.state.lock();
        let sent = mem::take(&mut state.sent);
        let error = state.fail(error);
        state.phase = Phase::Ended;
        drop(state);
        for pending in sent {
            pending.told.set(Err(Arc::clone(&error))).ok();
        }
    }
}

impl State {
    fn close(&mut self) {
        if self.phase == Phase::Held {
            self.phase = Phase::Closing;
        }
    }

    /// All who wait, and all who come, are told that nothing of theirs was sent.
    fn fail(&mut self, error: BackendError) -> Arc<BackendError> {
        let error = Arc::new(error);
        for later in self.waiting.drain(..) {
            later.told.set(Err(Arc::new(unsent(&error)))).ok();
        }
        self.failed = Some(Arc::clone(&error));
        error
    }

    fn now_stored(&mut self, done: Vec<Stored>) {
        for value in done {
            match self.stored.iter_mut().find(|stored| stored.key == value.key) {
                Some(stored) => *stored = value,
                None => self.stored.push(value),
            }
        }
    }
}

impl Pending {
    fn writes_nothing(&self) -> bool {
        let Commit { changes, expires, .. } = &self.commit;
        is_ordinary(&self.commit) && changes.is_empty() && expires.is_none()
    }
}

/// Whether a commit only changes fields of states, so that others can go on with what it leaves.
pub(super) fn is_ordinary(commit: &Commit) -> bool {
    let only_fields = commit.changes.iter().all(|(_, change)| matches!(change, Change::Fields(_)));
    commit.action == Action::Update && commit.attributes.is_empty() && only_fields
}

/// Commits as one: the last of them wins.
fn merged(commits: &[Arc<Pending>]) -> Commit {
    let mut merged = commits[0].commit.clone();
    for Pending { commit, .. } in commits[1..].iter().map(|pending| &**pending) {
        if commit.expires.is_some() {
            merged.expires = commit.expires;
        }
        for (key, change) in &commit.changes {
            match merged.changes.iter_mut().find(|(other, _)| other == key) {
                Some((_, earlier)) => earlier.then(change),
                None => merged.changes.push((key.clone(), change.clone())),
            }
        }
    }
    merged
}

/// Whether the error lies in what one of several commits writes; nothing was sent.
fn is_of_one(error: &BackendError) -> bool {
    match error {
        BackendError::NotAnObject(_) | BackendError::NotJson(_) => true,
        BackendError::Failed(source) => source.is::<TooLarge>(),
        _ => false,
    }
}
