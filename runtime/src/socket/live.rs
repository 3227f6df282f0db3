//! A socket that is sent the live states of its session. It is told that something was committed, and reads what there is:
//! one state at a time, so that the order is that of the commits, and whoever reads slowly gets fewer, and the last one.

use std::{
    hash::BuildHasher,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use foldhash::fast::FixedState;
use parking_lot::Mutex;
use serde_json::Value;
use smallvec::SmallVec;
use socketioxide::{SendError, SocketError, adapter::Adapter, socket::Socket};
use tokio::time::sleep;

use crate::{
    backend::{Hearing, Keys},
    call::{
        connection::Binding,
        listening::hear,
        live_session::Lookup,
        live_states::{Live, LiveStates},
    },
    error::Error,
    process::{Concern, Listener, News},
    session::id::SessionId,
};

/// The pause before the next look, for a socket that is not connected yet or whose buffer is full: the first one, and the
/// longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// The pause after a backend has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Has a socket that is bound now be sent the session's live states: each after a commit that changed it.
pub(super) fn follow<A: Adapter>(socket: &Arc<Socket<A>>, binding: &Binding) {
    let live = binding.live();
    if live.settings().live.is_empty() {
        return;
    }
    let id = live.id();
    let pending = live.settings().live.iter().map(|_| Pending::default()).collect();
    let state = Mutex::new(State { states: pending, ..State::default() });
    let (socket_, binding, hearing) = (Arc::downgrade(socket), binding.clone(), OnceLock::new());
    let sender = Arc::new(Sender { socket: socket_, binding, id, state, hearing });
    let listener = Arc::downgrade(&sender) as Weak<dyn Listener>;
    live.registry().listeners().add(id, listener);
    socket.extensions.insert(Sends(Arc::clone(&sender)));
    if live.registry().is_among_nodes() {
        // The other nodes must know that somebody listens here.
        sender.start();
    }
}

/// Sends nothing before the connect function has first waited.
pub(super) fn hold<A: Adapter>(socket: &Socket<A>) {
    if let Some(Sends(sender)) = socket.extensions.get::<Sends<A>>() {
        sender.state.lock().stage = Stage::Held;
    }
}

/// The connect function waits for the first time, or has ended: the states are sent as they are now.
pub(super) fn begin<A: Adapter>(socket: &Socket<A>) {
    if let Some(Sends(sender)) = socket.extensions.get::<Sends<A>>() {
        {
            let mut state = sender.state.lock();
            if state.stage == Stage::Over {
                return;
            }
            state.stage = Stage::Sending;
            for pending in &mut state.states {
                pending.concern = Some(Concern::Surely);
            }
        }
        sender.start();
    }
}

/// Stands in the socket's own extensions, so that it goes with the socket.
struct Sends<A: Adapter>(Arc<Sender<A>>);

impl<A: Adapter> Clone for Sends<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Sender<A: Adapter> {
    socket: Weak<Socket<A>>,
    binding: Binding,
    id: SessionId,
    state: Mutex<State>,
    /// As long as it is there, this process hears of what others commit.
    hearing: OnceLock<Hearing>,
}

#[derive(Default)]
struct State {
    /// In the order of the layer's.
    states: SmallVec<[Pending; 1]>,
    stage: Stage,
    /// A task sends.
    works: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Stage {
    /// The client has not heard CONNECT yet, as far as is known.
    #[default]
    Connecting,
    /// The connect function has not waited yet.
    Held,
    Sending,
    /// The session has ended.
    Over,
}

/// What is to be sent of one state.
#[derive(Default)]
struct Pending {
    concern: Option<Concern>,
    /// Stands for what was sent last.
    last: Option<u64>,
}

/// How an attempt to send ended.
#[derive(PartialEq)]
enum Sent {
    Yes,
    /// There was no room, and now there is something newer.
    Outdated,
    /// The client has gone, or its session has ended.
    Over,
}

impl<A: Adapter> Sender<A> {
    fn live_states(&self) -> &LiveStates {
        &self.binding.live().settings().live
    }

    /// Sees that a task sends what is to be sent, if it may.
    fn start(self: &Arc<Self>) {
        let starts = {
            let mut state = self.state.lock();
            let starts = !state.works && !matches!(state.stage, Stage::Held | Stage::Over);
            state.works |= starts;
            starts
        };
        if starts {
            tokio::spawn(Arc::clone(self).send_all());
        }
    }

    async fn send_all(self: Arc<Self>) {
        if !self.is_connected().await {
            return;
        }
        if self.hearing.get().is_none() {
            let Some(hearing) = hear(self.binding.live(), self.id).await else { return };
            self.hearing.set(hearing).ok();
            if self.binding.live().registry().is_among_nodes() {
                self.may_have_missed();
            }
        }
        while let Some((index, concern)) = self.next() {
            let Some(state) = self.live_states().iter().nth(index) else { return };
            match self.read(state).await {
                Ok(Some(value)) => {
                    if self.send(index, concern, state, &value).await == Sent::Over {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    error.log("sending a live state");
                    if error.is_the_backends() {
                        self.put_back(index, concern);
                        sleep(AFTER_FAILURE).await;
                    }
                }
            }
        }
    }

    /// Waits for a CONNECT that is under way. `false`: the client is gone.
    async fn is_connected(&self) -> bool {
        let mut pause = PAUSE.0;
        loop {
            {
                let Some(socket) = self.socket.upgrade() else { return false };
                let mut state = self.state.lock();
                match state.stage {
                    Stage::Over => return false,
                    Stage::Sending => return true,
                    Stage::Held if socket.connected() => return true,
                    Stage::Connecting if socket.connected() => {
                        state.stage = Stage::Sending;
                        return true;
                    }
                    Stage::Held | Stage::Connecting => {}
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// What is to be sent next. Where there is nothing, the task ends.
    fn next(&self) -> Option<(usize, Concern)> {
        let mut state = self.state.lock();
        let may_send = state.stage == Stage::Sending;
        let mut due = state.states.iter_mut().enumerate();
        let next = may_send.then(|| due.find_map(|(index, pending)| Some((index, pending.concern.take()?))));
        state.works = next.flatten().is_some();
        next.flatten()
    }

    /// What others committed before it was heard here is to be looked for.
    fn may_have_missed(&self) {
        for pending in &mut self.state.lock().states {
            pending.concern = pending.concern.max(Some(Concern::Perhaps));
        }
    }

    /// It is still to be sent.
    fn put_back(&self, index: usize, concern: Concern) {
        let pending = &mut self.state.lock().states[index];
        pending.concern = pending.concern.max(Some(concern));
    }

    /// What clients are sent of a state. `None`: the session is not there any more.
    async fn read(&self, state: &Live) -> Result<Option<Value>, Error> {
        let live = self.binding.live();
        match live.load(Keys::Only(state.keys)).await {
            Ok(Lookup::Found(loaded)) => state.read(Some(&loaded), live.backend()).map(Some),
            Ok(Lookup::Nothing | Lookup::Renamed) => Ok(None),
            Err(error) if error.says_that_the_session_is_over() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends it when there is room; not if it is what was sent last, and perhaps nothing has changed.
    async fn send(&self, index: usize, concern: Concern, state: &Live, value: &Value) -> Sent {
        let stands_for = FixedState::default().hash_one(value.to_string());
        let was_sent = self.state.lock().states[index].last == Some(stands_for);
        if was_sent && concern == Concern::Perhaps {
            return Sent::Yes;
        }
        let mut pause = PAUSE.0;
        loop {
            if self.state.lock().stage == Stage::Over {
                return Sent::Over;
            }
            let Some(socket) = self.socket.upgrade() else { return Sent::Over };
            // Answers that wait for room go first.
            let is_free = !self.binding.has_backlog();
            match is_free.then(|| socket.emit(state.event, value)) {
                None | Some(Err(SendError::Socket(SocketError::InternalChannelFull))) => {}
                Some(Err(SendError::Socket(SocketError::Closed))) => return Sent::Over,
                // It is JSON.
                Some(Ok(()) | Err(SendError::Serialize(_))) => {
                    self.state.lock().states[index].last = Some(stands_for);
                    return Sent::Yes;
                }
            }
            drop(socket);
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
            if self.state.lock().states[index].concern.is_some() {
                self.put_back(index, concern);
                return Sent::Outdated;
            }
        }
    }
}

impl<A: Adapter> Listener for Sender<A> {
    fn hears(self: Arc<Self>, news: &News) {
        let mut concerns = false;
        {
            let mut state = self.state.lock();
            for (live, pending) in self.live_states().iter().zip(&mut state.states) {
                if let Some(concern) = news.of(live.key()) {
                    pending.concern = pending.concern.max(Some(concern));
                    concerns = true;
                }
            }
        }
        if concerns {
            self.start();
        }
    }

    fn hears_no_more(self: Arc<Self>) {
        self.state.lock().stage = Stage::Over;
    }
}

impl<A: Adapter> Drop for Sender<A> {
    fn drop(&mut self) {
        let listeners = self.binding.live().registry().listeners();
        listeners.remove(self.id, std::ptr::from_ref(self).cast());
    }
}
