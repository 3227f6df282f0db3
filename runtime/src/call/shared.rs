//! `Shared<T>`: short turns on demand, for handlers that wait long, closures and background tasks.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use futures_util::Stream;

use crate::{
    call::{
        access::{Access as _, Read, States, Write},
        current_call::{Caller, turns_around},
        listening,
        live_session::LiveSession,
        outcome::Outcome,
        running_call::{ArrivedCall, RunningCall},
    },
    error::Error,
    process::Ending,
    session::state::SessionState,
    telemetry::{About, Kind, Observed},
};

/// A state that is read and changed on demand: an extractor on both sides, with no attribute needed.
///
/// It holds nothing by itself: [`update`](Self::update) holds the turn for its closure only, [`read`](Self::read)
/// not at all. So it is for handlers that wait long (for a slow service, for the client, for another call of the
/// same session), for closures given to `socket.on`, and for background tasks, in which it outlives the request.
///
/// Where the visitor may have no session yet, update once before the response leaves: after it no session can begin, so a
/// background task of such a visitor is told [`NoSession`](crate::ErrorKind::NoSession). One that is kept past a login or
/// a logout does not follow the session to its new id: from then on both methods are errors.
///
/// A handler that holds a turn of the session (it has a `&mut` state) must not wait for another one: both methods
/// are errors there at once. The rule: what a handler waits for must not need a turn that the handler holds.
///
/// A future of it that waits for its turn and is not polled (beside others in `select!`, in a `buffered` stream) lets
/// others pass after some milliseconds. It is first again when it is polled.
///
/// ```
/// use socketioxide::SocketIo;
/// use socketioxide_session::{Error, EventRouter, Shared, session_state};
///
/// #[session_state]
/// struct Import {
///     rows: u64,
/// }
///
/// let (_, io) = SocketIo::new_layer();
/// let events = EventRouter::new().on("import", async |import: Shared<Import>| {
///     for _ in 0..10 {
///         tokio::time::sleep(std::time::Duration::from_secs(1)).await; // holds up nobody
///         import.update(|import| import.rows += 100).await.ok();
///     }
/// });
/// io.ns("/", events);
/// ```
pub struct Shared<T> {
    live: Arc<LiveSession>,
    state: PhantomData<fn() -> T>,
}

/// A state as [`Shared::read`] gives it: to be read. What is changed in a copy is saved nowhere; [`Shared::update`] saves.
///
/// ```
/// # use socketioxide_session::{Error, Shared, session_state};
/// # #[session_state]
/// # struct Cart { items: Vec<String> }
/// async fn show(cart: Shared<Cart>) -> Result<String, Error> {
///     Ok(cart.read().await?.items.join(", "))
/// }
/// ```
///
/// ```compile_fail,E0596
/// # use socketioxide_session::{Error, Shared, session_state};
/// # #[session_state]
/// # struct Cart { items: Vec<String> }
/// async fn put(cart: Shared<Cart>) -> Result<(), Error> {
///     cart.read().await?.items.push(String::from("tea")); // `cart.update(|cart| cart.items.push(..)).await`
///     Ok(())
/// }
/// ```
pub struct ReadOnly<T>(T);

impl<T> ReadOnly<T> {
    /// The state itself, as a copy of one's own.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for ReadOnly<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadOnly<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { live: Arc::clone(&self.live), state: PhantomData }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<T: SessionState> Shared<T> {
    pub(crate) fn new(live: Arc<LiveSession>) -> Self {
        Self { live, state: PhantomData }
    }

    /// The state as it is after the writers that came before: `T::default()` where nothing is stored yet. It can be read alone;
    /// `into_inner` gives a copy of one's own.
    ///
    /// # Errors
    ///
    /// [`NestedTurn`](crate::ErrorKind::NestedTurn) inside a call that holds a turn of this session; those of a
    /// handler with `&T`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the queue.
    #[doc(alias = "get", alias = "load")]
    pub async fn read(&self) -> Result<ReadOnly<T>, Error> {
        let call = self.begin::<(Read<T>,)>().await?;
        call.states.0.into_owned().map(ReadOnly)
    }

    /// Takes the turn, changes the state, commits, and gives what the closure returned: after the commit, so that what is
    /// pushed to other tabs from then on tells of what is saved.
    ///
    /// # Errors
    ///
    /// [`NestedTurn`](crate::ErrorKind::NestedTurn) inside a call that holds a turn of this session; those of a
    /// handler with `&mut T`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the commit discards; a commit once begun runs to its end.
    #[doc(alias = "write", alias = "lock", alias = "get_mut", alias = "set", alias = "modify")]
    pub async fn update<R>(
        &self,
        change: impl FnOnce(&mut T) -> R, // not `async`, and nothing borrowed from the state: what is awaited is awaited before it
    ) -> Result<R, Error> {
        const NAME: &str = "Shared::update";
        let observed = Observed::arrives(Kind::Shared, About::default);
        let mut call = match self.begin::<(Write<T>,)>().await {
            Ok(call) => call,
            Err(error) => {
                observed.refused(NAME, &error);
                return Err(error);
            }
        };
        call.of_handler(NAME, observed);
        let result = call.scope.observed.inside(|| change(call.states.0.lend()));
        call.conclude(Outcome::Normal).work.outcome().await?;
        Ok(result)
    }

    /// The state as it is now, and then the latest after each commit that has changed it, until the session ends: for server-sent
    /// events, for a plain WebSocket, for a task. Who reads slowly is given fewer states, and the last one. It waits for no turn.
    ///
    /// It ends when the session ends or goes on under another id, and when this process shuts down; one that was taken in the
    /// very request that changes the id goes on under the new one. Where there is no session, it gives the state's default, and
    /// then waits for the session that this request may begin. After its end it gives nothing more, however often it is asked.
    ///
    /// A backend that fails is logged and asked again, once a second. A value that does not decode is logged, and is the end.
    ///
    /// It gives the whole state, also its `server_only` fields: send what the page needs. A browser's `EventSource` comes back
    /// by itself, also after a logout, and a stream that begins without a session hears of none that begins later: answer 204,
    /// which stops it, where nobody is logged in, and have the page open it anew after a login.
    ///
    /// # Cancel safety
    ///
    /// Waiting for the next state may be dropped: nothing is lost by it.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use axum::response::sse::{Event, Sse};
    /// use futures_util::{Stream, StreamExt};
    /// use socketioxide_session::{Shared, session_state};
    ///
    /// #[session_state]
    /// struct Cart {
    ///     items: Vec<String>,
    /// }
    ///
    /// async fn cart(cart: Shared<Cart>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    ///     Sse::new(cart.changes().map(|cart| Ok(Event::default().data(cart.items.join(", ")))))
    /// }
    /// # let _: axum::Router = axum::Router::new().route("/cart", axum::routing::get(cart));
    /// ```
    pub fn changes(&self) -> impl Stream<Item = T> + Send + Unpin + use<T> {
        listening::changes(Arc::clone(&self.live))
    }

    /// Waits until the session has ended here, or goes on under an id that is not for this one: then who holds a connection of
    /// the session's own, as a plain WebSocket, closes it. It is told when sockets are disconnected, so that a page which comes
    /// back shows the new cookie.
    ///
    /// Gives how it ended; `None` where that is not known: this process shuts down, or cannot hear from the others. Without a
    /// session it waits for the shutdown. A backend that fails is logged and asked again, once a second.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and asked again.
    ///
    /// ```
    /// # use socketioxide_session::{Shared, session_state};
    /// # #[session_state]
    /// # struct User { name: Option<String> }
    /// # async fn next_message() -> Option<String> { None }
    /// # async fn close(_: &str) {}
    /// async fn talk(user: Shared<User>) {
    ///     loop {
    ///         tokio::select! {
    ///             ended = user.ended() => return close(ended.map_or("", |ended| ended.reason())).await,
    ///             Some(message) = next_message() => println!("{message}"),
    ///             else => return,
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn ended(&self) -> Option<Ending> {
        listening::ended(&self.live).await
    }

    async fn begin<S: States>(&self) -> Result<Box<RunningCall<S>>, Error> {
        loop {
            let id = self.live.id();
            self.live.not_inside_its_turn(&turns_around())?;
            match ArrivedCall::at(&self.live, Caller::Shared)?.begin().await {
                Err(error) if error.says_that_the_session_is_over() && self.live.find_again(id).await => {}
                begun => return begun,
            }
        }
    }
}
