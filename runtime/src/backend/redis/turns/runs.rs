//! Runs: calls that wait in this process for the same turn have it one after the other under one lease, on values that
//! are kept here, and their commits travel together.
//!
//! A run begins where a call commits and the next one here waits for the very same turn. If that one had come before
//! the values were asked for, it goes on at once, with what its predecessor leaves, while a task sends the commit; what
//! is committed meanwhile travels in the next one. If it came later, it goes on when the commit is in, which shows that
//! the values were still those of Redis, unless other nodes wait by then. The last commit ends the lease. Each call is
//! told after its own data is in. If a commit fails, the calls after it saw what was never saved: they fail, too, and
//! nothing of theirs is sent.

use std::{
    collections::{HashMap, VecDeque},
    error::Error as StdError,
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{sync::SetOnce, task::yield_now, time::Instant};

use super::leases::Held;
use crate::{
    backend::redis::{
        Inner,
        records::{
            commits::{Done, Keep, Operation},
            record::TooLarge,
        },
    },
    backend::{Action, Arrivals, BackendError, Commit, Lease, Line, Load, Loaded, apply},
    session::{change::Change, id::SessionId},
};

/// The most calls under one lease.
const LONGEST_RUN: usize = 64;

/// The runs that are under way.
#[derive(Default)]
pub(crate) struct Runs(Mutex<HashMap<SessionId, Vec<Arc<Run>>>>);

/// The calls that have a turn under one lease.
struct Run {
    id: SessionId,
    lease: Lease,
    held: Arc<Held>,
    /// After this nobody else joins, so that other nodes get theirs.
    until: Instant,
    state: Mutex<State>,
}

struct State {
    /// What the next call loads: what Redis has, and the changes of all calls before it.
    loaded: Loaded,
    /// The values as they stand in Redis.
    stored: Vec<(String, Vec<u8>)>,
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
    GoesOn,
    /// No call has it any more: the lease ends with the last commit.
    Over,
    /// The lease has ended.
    Ended,
}

/// A commit, and what its call is told.
struct Pending {
    commit: Commit,
    /// Its call still has the turn, to pass it on when this is in.
    hopes: bool,
    told: SetOnce<Result<(), Arc<BackendError>>>,
}

/// What a run's task does next.
enum Next {
    Commit { merged: Box<Commit>, keep: Keep },
    EndLease,
    Nothing { ended: bool },
}

impl Runs {
    fn of(&self, id: SessionId, lease: Lease) -> Option<Arc<Run>> {
        self.0.lock().get(&id)?.iter().find(|run| run.lease == lease).cloned()
    }

    fn add(&self, run: &Arc<Run>) {
        self.0.lock().entry(run.id).or_default().push(Arc::clone(run));
    }

    fn remove(&self, run: &Arc<Run>) {
        let mut runs = self.0.lock();
        if let Some(of_session) = runs.get_mut(&run.id) {
            of_session.retain(|other| !Arc::ptr_eq(run, other));
            if of_session.is_empty() {
                runs.remove(&run.id);
            }
        }
    }

    /// The last commit of each run of a session that its calls are not told of yet.
    fn last_of(&self, id: SessionId) -> Vec<Arc<Pending>> {
        let runs = self.0.lock();
        runs.get(&id).into_iter().flatten().filter_map(|run| run.last()).collect()
    }
}

/// A run in the hands of its task, which may end with its runtime: then nobody waits for what was not sent.
struct Sends {
    inner: Arc<Inner>,
    run: Arc<Run>,
    ended: bool,
}

impl Sends {
    async fn send_all(mut self) {
        self.inner.send_all(&self.run).await;
        self.ended = true;
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let Self { inner, run, .. } = self;
        run.tell(Err(BackendError::OutcomeUnknown("the runtime ended in which it was sent".into())));
        run.state.lock().phase = Phase::Ended;
        inner.leases.forget(run.id, run.lease);
        inner.runs.remove(run);
    }
}

impl Inner {
    /// What a call loads to which the call before passed its lease on. `None` if it has to ask Redis, because the
    /// values did not come in.
    pub(crate) fn ride(self: &Arc<Self>, id: SessionId, load: Load<'_>) -> Option<Loaded> {
        let run = self.runs.of(id, load.lease)?;
        let loaded = run.loaded();
        if loaded.is_none() {
            self.end_run(&run);
        }
        loaded
    }

    /// Commits, and lets the next call here go on before that is in, if it may.
    pub(crate) async fn commit_in_line(
        self: &Arc<Self>,
        commit: &Commit,
        line: &Line,
    ) -> Result<(), BackendError> {
        let run = self.runs.of(commit.id, commit.lease).or_else(|| self.begin_run(commit, line));
        let Some(run) = run else { return self.commit(commit).await };
        let pending = run.hand_over(commit, line)?;
        self.keep_sending(&run);
        pending.told.wait().await.clone().map_err(copy)?;
        if pending.hopes && !run.pass_on(line) {
            self.end_run(&run);
        }
        Ok(())
    }

    fn begin_run(&self, commit: &Commit, line: &Line) -> Option<Arc<Run>> {
        let held = self.leases.held(commit.id, commit.lease)?;
        let loaded = held.loaded.clone()?;
        let until = held.asked + held.hold.min(self.options.lease) / 2;
        if !is_ordinary(commit) || Instant::now() >= until || line.next_came().is_none() {
            return None;
        }
        let run = Arc::new(Run::new(commit, held, loaded, until));
        self.runs.add(&run);
        Some(run)
    }

    /// Gives back the lease of a run, once all its commits are in. `false`: this one is of no run.
    pub(crate) fn leave_run(self: &Arc<Self>, id: SessionId, lease: Lease) -> bool {
        let run = self.runs.of(id, lease);
        if let Some(run) = &run {
            self.end_run(run);
        }
        run.is_some()
    }

    fn end_run(self: &Arc<Self>, run: &Arc<Run>) {
        run.state.lock().nobody_has_the_turn();
        self.keep_sending(run);
    }

    /// Whether all is in that calls here have committed to a session.
    pub(crate) fn is_settled(&self, id: SessionId) -> bool {
        self.runs.last_of(id).is_empty()
    }

    /// Waits until all is in that calls here have committed to a session.
    pub(crate) async fn settle(&self, id: SessionId) {
        for last in self.runs.last_of(id) {
            last.told.wait().await;
        }
    }

    /// On a task of its own: whoever commits may be dropped.
    fn keep_sending(self: &Arc<Self>, run: &Arc<Run>) {
        if !std::mem::replace(&mut run.state.lock().sending, true) {
            let sends = Sends { inner: Arc::clone(self), run: Arc::clone(run), ended: false };
            tokio::spawn(sends.send_all());
        }
    }

    async fn send_all(&self, run: &Arc<Run>) {
        loop {
            run.let_others_hand_over().await;
            match run.next() {
                Next::Commit { merged, keep } => {
                    let stored = run.state.lock().stored.clone();
                    let came = self.registry.arrivals(run.id);
                    let done = self.carry_out(&merged, Some(&run.held), &stored, keep).await;
                    self.forget_read(&run.id.hidden_bytes());
                    run.tell(done.map(|done| (done, came)));
                }
                Next::EndLease => self.release(run.id, &run.held.ticket).await,
                Next::Nothing { ended } => {
                    if ended {
                        self.leases.forget(run.id, run.lease);
                        self.runs.remove(run);
                    }
                    return;
                }
            }
        }
    }
}

impl Run {
    fn new(commit: &Commit, held: Arc<Held>, loaded: Loaded, until: Instant) -> Self {
        let state = State {
            loaded,
            stored: held.stored.clone(),
            came: held.came,
            calls: 0,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            together: usize::MAX,
            sending: false,
            phase: Phase::GoesOn,
            failed: None,
        };
        Self { id: commit.id, lease: commit.lease, held, until, state: Mutex::new(state) }
    }

    /// For the next call; `None` after a failure.
    fn loaded(&self) -> Option<Loaded> {
        let state = self.state.lock();
        self.held.hold_from_now();
        state.failed.is_none().then(|| state.loaded.clone())
    }

    fn last(&self) -> Option<Arc<Pending>> {
        let state = self.state.lock();
        state.waiting.back().or(state.sent.last()).cloned()
    }

    /// Takes a commit along, and passes the turn on if the run may go on.
    fn hand_over(&self, commit: &Commit, line: &Line) -> Result<Arc<Pending>, BackendError> {
        let mut state = self.state.lock();
        if let Some(error) = &state.failed {
            return Err(after(error));
        }
        let ordinary = is_ordinary(commit);
        if ordinary {
            apply(&mut state.loaded.values, &commit.changes)?;
            state.loaded.expires = commit.expires.unwrap_or(state.loaded.expires);
        }
        state.calls += 1;
        let may_go_on = ordinary && state.calls < LONGEST_RUN && Instant::now() < self.until;
        let hopes =
            may_go_on && line.next_came().is_some_and(|next| next > state.came) && self.is_whole(commit);
        let pending = Arc::new(Pending { commit: commit.clone(), hopes, told: SetOnce::new() });
        state.waiting.push_back(Arc::clone(&pending));
        let has_a_holder = hopes || (may_go_on && line.pass_on(state.came));
        if !has_a_holder {
            state.nobody_has_the_turn();
        }
        Ok(pending)
    }

    /// Passes the turn on after a commit, if that showed that the values are those of Redis.
    fn pass_on(&self, line: &Line) -> bool {
        let state = self.state.lock();
        let may_go_on = state.phase == Phase::GoesOn && state.calls < LONGEST_RUN;
        may_go_on && line.pass_on(state.came)
    }

    /// Whether a commit writes all values of the run, so that it compares them with those of Redis.
    fn is_whole(&self, commit: &Commit) -> bool {
        commit.changes.len() == self.held.states.len()
    }

    /// Lets those hand over who are ready to: as long as that makes the next commit larger.
    async fn let_others_hand_over(&self) {
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

    fn next(&self) -> Next {
        let mut state = self.state.lock();
        // All before it is in.
        while let Some(nothing) = state.waiting.pop_front_if(|first| first.writes_nothing()) {
            nothing.told.set(Ok(())).ok();
        }
        if state.waiting.is_empty() {
            if state.phase == Phase::Over {
                state.phase = Phase::Ended;
                return Next::EndLease;
            }
            state.sending = false;
            return Next::Nothing { ended: state.phase == Phase::Ended };
        }
        let ordinary = state.waiting.iter().take_while(|pending| is_ordinary(&pending.commit)).count();
        let together = ordinary.clamp(1, state.together);
        state.sent = state.waiting.drain(..together).collect();
        let keep = match state.sent.last() {
            Some(last) if last.hopes => Keep::UnlessAwaited,
            _ if state.phase == Phase::GoesOn || !state.waiting.is_empty() => Keep::Yes,
            _ => Keep::No,
        };
        Next::Commit { merged: Box::new(merged(&state.sent)), keep }
    }

    /// What became of the commits under way.
    fn tell(&self, result: Result<(Done, Arrivals), BackendError>) {
        let mut state = self.state.lock();
        let sent = std::mem::take(&mut state.sent);
        let result = match result {
            Ok((done, came)) => {
                if done.ended {
                    state.phase = Phase::Ended;
                }
                if done.merged_anew {
                    // Nobody else is given what is not quite what Redis has.
                    state.calls = LONGEST_RUN;
                } else if done.unawaited && done.operations.len() == self.held.states.len() {
                    state.came = came;
                }
                state.now_stored(done.operations);
                Ok(())
            }
            Err(error) if sent.len() > 1 && is_of_one(&error) => {
                state.together = 1;
                sent.into_iter().rev().for_each(|pending| state.waiting.push_front(pending));
                return;
            }
            Err(error) => {
                let error = Arc::new(error);
                for later in state.waiting.drain(..) {
                    later.told.set(Err(Arc::new(after(&error)))).ok();
                }
                state.failed = Some(Arc::clone(&error));
                Err(error)
            }
        };
        drop(state);
        for pending in sent {
            pending.told.set(result.clone()).ok();
        }
    }
}

impl State {
    fn nobody_has_the_turn(&mut self) {
        if self.phase == Phase::GoesOn {
            self.phase = Phase::Over;
        }
    }

    fn now_stored(&mut self, done: Vec<Operation>) {
        for operation in done {
            if let Operation::Merge { field, to, .. } = operation
                && let Some(key) = field.strip_prefix("v:")
            {
                match self.stored.iter_mut().find(|(stored, _)| stored == key) {
                    Some((_, value)) => *value = to,
                    None => self.stored.push((key.to_owned(), to)),
                }
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
fn is_ordinary(commit: &Commit) -> bool {
    let only_fields = commit.changes.iter().all(|(_, change)| matches!(change, Change::Fields(_)));
    commit.action == Action::Update && commit.meta.is_none() && only_fields
}

/// Commits as one: the last of them wins.
fn merged(commits: &[Arc<Pending>]) -> Commit {
    let mut merged = commits[0].commit.clone();
    for Pending { commit, .. } in commits[1..].iter().map(|pending| &**pending) {
        if commit.expires.is_some() {
            (merged.expires, merged.expiry) = (commit.expires, commit.expiry);
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

/// An error of which several calls are told.
fn copy(error: Arc<BackendError>) -> BackendError {
    match &*error {
        BackendError::Gone => BackendError::Gone,
        BackendError::TurnTimeout => BackendError::TurnTimeout,
        BackendError::TurnLost => BackendError::TurnLost,
        BackendError::NotAnObject(key) => BackendError::NotAnObject(key.clone()),
        BackendError::NotJson(key) => BackendError::NotJson(key.clone()),
        BackendError::OutcomeUnknown(_) => BackendError::OutcomeUnknown(Box::new(Shared(error))),
        BackendError::Failed(_) => BackendError::Failed(Box::new(Shared(error))),
    }
}

/// What a call is told whose values were never saved. Nothing of its own was sent.
fn after(error: &Arc<BackendError>) -> BackendError {
    match &**error {
        BackendError::Gone => BackendError::Gone,
        BackendError::TurnLost => BackendError::TurnLost,
        _ => BackendError::failed(Unsaved(Shared(Arc::clone(error)))),
    }
}

/// The reason of an error of which several calls are told.
#[derive(Debug)]
struct Shared(Arc<BackendError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(source) => fmt::Display::fmt(source, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the call before, whose values this one was given, could not be saved; nothing of this one was sent")]
struct Unsaved(#[source] Shared);
