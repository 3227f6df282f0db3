//! The call of an annotated handler while it runs: whose it is, what it wants of the session, and the turns that are held
//! around it, so that `SessionControl` and `Shared` inside find it.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    after_commit::AfterCommit,
    intents::{Intent, Intents},
    live_session::LiveSession,
    outcome::{Decision, Outcome, decide},
};
use crate::{
    process::disconnects::{Cause, disconnect},
    session::id::SessionId,
    turns::{HeldTurns, Polled, Turn},
};

/// Tells calls on sockets apart, so that a `SessionControl` acts in the call that it was extracted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallNumber(u64);

thread_local! {
    /// The call whose arguments are extracted on this thread.
    static EXTRACTING: Cell<Option<(SessionId, CallNumber)>> = const { Cell::new(None) };
}

impl CallNumber {
    /// Of a call of this session that begins. What is extracted on this thread from now on belongs to it.
    pub(crate) fn next(session: SessionId) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = Self(LAST.fetch_add(1, Ordering::Relaxed));
        number.extracts(session);
        number
    }

    /// What is extracted on this thread from now on belongs to this call.
    pub(crate) fn extracts(self, session: SessionId) {
        EXTRACTING.set(Some((session, self)));
    }

    /// The call of this session whose arguments are extracted on this thread.
    pub(crate) fn extracting(session: SessionId) -> Option<Self> {
        EXTRACTING.get().filter(|(of, _)| *of == session).map(|(_, number)| number)
    }
}

/// Whose call it is.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Part of a request, for which more may be asked than in this call.
    Request(Arc<Intents>),
    /// An event, or a connection.
    Socket(CallNumber),
    /// A `Shared`, which asks for nothing.
    Shared,
}

impl Caller {
    /// Whether it comes from outside, and not from a call, or another task, that is at work. `around`: the turns that are
    /// held around it.
    pub(crate) fn is_new(&self, around: &HeldTurns) -> bool {
        !matches!(self, Self::Shared) && around.is_empty()
    }

    /// Who polls the call while it waits: socketioxide spawns each event, and each connection, on a task of its own.
    pub(crate) fn polled(&self) -> Polled {
        match self {
            Self::Socket(_) => Polled::ByItsTask,
            Self::Request(_) | Self::Shared => Polled::ByItsCaller,
        }
    }
}

/// The turns of the calls that this task is inside of.
pub(crate) fn turns_around() -> HeldTurns {
    CURRENT_CALL.try_with(|call| call.turns.clone()).unwrap_or_default()
}

/// Runs this as if it were inside of no call, wherever it is polled.
pub(super) fn outside_of_calls<F: Future>(future: F) -> impl Future<Output = F::Output> {
    CURRENT_CALL.scope(CurrentCall { intents: None, turns: HeldTurns::default() }, future)
}

/// The call of an annotated handler. Dropped before its end, it was cancelled.
pub(crate) struct CurrentCall {
    /// `None` once the call has ended.
    intents: Option<CallIntents>,
    /// Its turn, and those of the calls that it runs inside of.
    pub(crate) turns: HeldTurns,
}

/// Where a call's intent is collected.
enum CallIntents {
    /// In the call itself, so that no call inside of it carries it out; and beside it what was asked in the request outside
    /// of calls (`before`: by the time this one began), which the layer carries out if no call does.
    OfRequest { request: Arc<Intents>, before: Intent, own: Intents },
    /// In the call itself: on a socket, where no cookie can be set.
    OfSocket { number: CallNumber, intents: Intents, live: Arc<LiveSession> },
}

impl CurrentCall {
    /// `turns`: of the calls around it. `turn`: its own.
    pub(crate) fn new(
        caller: Caller,
        live: &Arc<LiveSession>,
        mut turns: HeldTurns,
        turn: Option<&Turn>,
    ) -> Self {
        if let Some(turn) = turn {
            turns.add(turn);
        }
        let intents = match caller {
            Caller::Request(request) => {
                let before = request.so_far();
                Some(CallIntents::OfRequest { request, before, own: Intents::new(true) })
            }
            Caller::Socket(number) => {
                let (intents, live) = (Intents::new(false), Arc::clone(live));
                Some(CallIntents::OfSocket { number, intents, live })
            }
            Caller::Shared => None,
        };
        Self { intents, turns }
    }

    /// Its number, if it is a call on a socket.
    pub(crate) fn number(&self) -> Option<CallNumber> {
        match &self.intents {
            Some(CallIntents::OfSocket { number, .. }) => Some(*number),
            _ => None,
        }
    }

    /// Where its intent is collected, until it has ended.
    pub(crate) fn intents(&self) -> Option<&Intents> {
        self.intents.as_ref().map(|intents| match intents {
            CallIntents::OfRequest { own: intents, .. } | CallIntents::OfSocket { intents, .. } => intents,
        })
    }

    /// The request that the call is part of.
    pub(crate) fn request(&self) -> Option<&Arc<Intents>> {
        match &self.intents {
            Some(CallIntents::OfRequest { request, .. }) => Some(request),
            _ => None,
        }
    }

    pub(crate) fn conclude(mut self, outcome: Outcome) -> Verdict {
        match self.intents.take() {
            Some(CallIntents::OfRequest { request, before, own }) => {
                let after = own.take_after();
                let own = own.close();
                let decision = decide(outcome, &request.so_far().and(own.clone()));
                let intent = if decision == Decision::Discard {
                    request.take_back(before);
                    Intent::default()
                } else {
                    request.take().and(own)
                };
                Verdict { decision, intent, after, request: Some(request) }
            }
            Some(CallIntents::OfSocket { intents, .. }) => {
                let (after, intent) = (intents.take_after(), intents.close());
                Verdict { decision: decide(outcome, &intent), intent, after, request: None }
            }
            None => {
                let intent = Intent::default();
                Verdict { decision: decide(outcome, &intent), intent, after: None, request: None }
            }
        }
    }
}

/// What becomes of a call.
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    /// What is to be carried out with it.
    pub(crate) intent: Intent,
    /// What is to be begun once that is in.
    pub(crate) after: Option<Box<AfterCommit>>,
    /// The request that it was part of.
    pub(crate) request: Option<Arc<Intents>>,
}

impl Drop for CurrentCall {
    fn drop(&mut self) {
        match self.intents.take() {
            // An end that was asked for is carried out with the request.
            Some(CallIntents::OfRequest { request, before, own }) => {
                request.take_back(before);
                if own.close().flush {
                    request.ask(|intent| intent.flush = true).ok();
                }
            }
            Some(CallIntents::OfSocket { intents, live, .. })
                if decide(Outcome::Cancelled, &intents.close()) == Decision::End =>
            {
                end_in_background(live);
            }
            Some(CallIntents::OfSocket { .. }) | None => {}
        }
    }
}

/// Ends a session that was flushed by whoever is not there any more to see to it.
pub(crate) fn end_in_background(live: Arc<LiveSession>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = live.end(None).outcome().await {
            error.log("a flush whose client left");
        }
        disconnect(live.take_sockets(), Cause::Answer);
    });
}

tokio::task_local! {
    /// The call that runs in this task.
    pub(crate) static CURRENT_CALL: CurrentCall;
}
