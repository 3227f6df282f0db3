//! `SessionControl`: what a handler asks of the session itself, carried out with its commit.

use std::{fmt, sync::Arc};

use tower_sessions::Expiry;

use super::{
    current_call::{CURRENT_CALL, CallNumber, outside_of_calls},
    intents::{Intent, Intents},
    live_session::{LiveSession, Lookup},
    whose::{checked_label, checked_owner},
};
use crate::{
    error::{Error, ErrorKind},
    session::{key::SessionKey, ownership::OwnershipChanges, state::SessionState},
};

/// Asks something of the session itself: a new id, its end, another expiry.
///
/// What is asked for takes effect with the handler's commit, and with nothing before it; so it is undone where
/// the handler's changes are (except for [`flush`](Self::flush)).
///
/// In HTTP this is an extractor for any handler: the layer carries out what was asked for when the response
/// leaves, or, under [`#[http_handler]`](macro@crate::http_handler), the handler's own commit does. On sockets it
/// needs a handler under one of this crate's attributes, else its methods are errors.
///
/// It belongs to the request, or to the socket's call, that it was extracted in. Kept past that (in a spawned task, the
/// body of a response, a closure given to `socket.on`) its methods are errors, for nothing would carry out what they ask.
///
/// ```
/// use socketioxide_session::{Error, SessionControl, http_handler, session_state};
///
/// #[session_state]
/// struct User {
///     name: Option<String>,
/// }
///
/// #[http_handler(user)]
/// async fn login(user: &mut User, control: SessionControl) -> Result<(), Error> {
///     user.name = Some("Ada".to_owned());
///     control.cycle_id()
/// }
/// ```
#[derive(Clone)]
pub struct SessionControl {
    origin: Origin,
    live: Arc<LiveSession>,
}

/// Where it was extracted.
#[derive(Clone)]
enum Origin {
    Request(Arc<Intents>),
    /// In a call on a socket; `None` where that has no attribute.
    Socket(Option<CallNumber>),
}

impl fmt::Debug for SessionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionControl").field("key", &self.key()).finish_non_exhaustive()
    }
}

impl SessionControl {
    pub(crate) fn of_request(intents: Arc<Intents>, live: Arc<LiveSession>) -> Self {
        Self { origin: Origin::Request(intents), live }
    }

    pub(crate) fn of_call(call: Option<CallNumber>, live: Arc<LiveSession>) -> Self {
        Self { origin: Origin::Socket(call), live }
    }

    /// The session's public key: for rooms (`socket.join(control.key().to_string())`), logs, lists of sessions. It stays when
    /// the id changes, and is no credential. Where there is no session it is the key that the next one will get.
    pub fn key(&self) -> SessionKey {
        self.live.key().into()
    }

    /// Says whose session it is: a user's id, as the application says it, of 1 to 256 bytes; `None`: nobody's. So all sessions
    /// of a user can be found and ended: see [`Sessions`](crate::Sessions). It stays when the id changes, and ends with the
    /// session.
    ///
    /// Where it is another one than before, the session gets a new id as with [`cycle_id`](Self::cycle_id): who knows the id
    /// from before would be that user.
    ///
    /// ```
    /// # use socketioxide_session::{Error, SessionControl, http_handler, session_state};
    /// # #[session_state]
    /// # struct User { name: Option<String> }
    /// #[http_handler(user)]
    /// async fn login(user: &mut User, control: SessionControl) -> Result<(), Error> {
    ///     user.name = Some("Ada".to_owned());
    ///     control.set_label("Firefox on Linux")?;
    ///     control.set_owner("ada")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) in a socket handler, where no cookie can be set, or past its request;
    /// [`BadArgument`](ErrorKind::BadArgument) for an owner that is empty or longer;
    /// [`Unsupported`](ErrorKind::Unsupported) on a [`StoreBackend`](crate::StoreBackend).
    pub fn set_owner<'a>(&self, owner: impl Into<Option<&'a str>>) -> Result<(), Error> {
        let owner = owner.into().map(checked_owner).transpose()?.map(Arc::from);
        self.with(|intents| {
            if !intents.can_cycle() {
                return Err(Error::with_text(
                    ErrorKind::Unavailable,
                    "a socket handler cannot change whose session it is, because that needs a new cookie: call `set_owner` \
                     in an HTTP handler (the login request)",
                ));
            }
            self.change_ownership(intents, |changes| changes.owner = Some(owner))
        })
    }

    /// What the session's user tells it apart by, in a list of sessions: `Firefox on Linux`, say. 1 to 256 bytes; `None`: no
    /// label.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) on a socket without one of this crate's attributes, or past its call;
    /// [`BadArgument`](ErrorKind::BadArgument), [`Unsupported`](ErrorKind::Unsupported) as [`set_owner`](Self::set_owner).
    pub fn set_label<'a>(&self, label: impl Into<Option<&'a str>>) -> Result<(), Error> {
        let label = label.into().map(checked_label).transpose()?.map(Arc::from);
        self.with(|intents| self.change_ownership(intents, |changes| changes.label = Some(label)))
    }

    fn change_ownership(
        &self,
        intents: &Intents,
        change: impl FnOnce(&mut OwnershipChanges),
    ) -> Result<(), Error> {
        if self.live.backend().owners().is_none() {
            return Err(Error::new(ErrorKind::Unsupported));
        }
        intents.ask(|intent| change(intent.ownership.get_or_insert_default()))
    }

    /// Whose session it is, as it is stored: what this call asks for is not in it yet.
    ///
    /// # Errors
    ///
    /// [`Backend`](ErrorKind::Backend); [`SessionEnded`](ErrorKind::SessionEnded) and
    /// [`IdChanged`](ErrorKind::IdChanged) where the session is another one by now.
    pub async fn owner(&self) -> Result<Option<String>, Error> {
        loop {
            return match self.live.load_with_ownership().await? {
                Lookup::Found(loaded) => Ok(loaded.attributes.owner().map(str::to_owned)),
                Lookup::Nothing => Ok(None),
                Lookup::Renamed => continue,
            };
        }
    }

    /// Gives the session a new id, against session fixation: call it where a visitor's rights change (login).
    ///
    /// The new record exists before the old one goes, and the new cookie is set on the response.
    ///
    /// It is also what lets a login begin a session that another site posts (SAML, OAuth's `form_post`), if it writes
    /// something. Under `SameSite=Lax` such a request comes without the cookie: it reads defaults, and the visitor's old
    /// session is left alone. What else it wants to write there is a 403.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] in a socket handler, where no cookie can be set: do it in the HTTP request that
    /// logs the visitor in; or past its request.
    pub fn cycle_id(&self) -> Result<(), Error> {
        self.with(|intents| {
            if !intents.can_cycle() {
                return Err(Error::with_text(
                    ErrorKind::Unavailable,
                    "a socket handler cannot change the session's id, because it cannot set a cookie: call \
                     `cycle_id` in an HTTP handler (the login request), after which the page's sockets \
                     reconnect with the new cookie",
                ));
            }
            intents.ask(|intent| intent.cycle_id = true)
        })
    }

    /// Ends the session (logout): its record goes, its sockets are disconnected, its cookie is removed.
    ///
    /// Once called it is carried out, also when the handler then fails or its client leaves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] on a socket without one of this crate's attributes, or past its call.
    pub fn flush(&self) -> Result<(), Error> {
        self.ask(|intent| intent.flush = true)
    }

    /// Gives the session an expiry of its own; `None` returns to the layer's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] on a socket without one of this crate's attributes, or past its call.
    pub fn set_expiry(&self, expiry: impl Into<Option<Expiry>>) -> Result<(), Error> {
        let expiry = expiry.into();
        self.ask(|intent| intent.expiry = Some(expiry))
    }

    /// Removes a state from the session: where it is read afterwards it is not there, `None` for an `Option<&T>`. It waits for no
    /// turn and decodes nothing, so it also removes what does not decode. What this call changed of the state goes, too.
    ///
    /// A writer of the state at the same time, in another call, begins it anew with what it changes, if it commits later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] on a socket without one of this crate's attributes, or past its call.
    pub fn remove<T: SessionState>(&self) -> Result<(), Error> {
        self.ask(|intent| intent.removed = intent.removed.with(T::KEY))
    }

    /// Commits the changes although the handler returns `Err`: for a counter of failed logins.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] on a socket without one of this crate's attributes, or past its call.
    pub fn keep_changes(&self) -> Result<(), Error> {
        self.ask(|intent| intent.keep_changes = true)
    }

    /// Has a future begun after the commit: for what must be told only when it is saved (a push to other tabs, a mail, a
    /// job). Several are begun in their order, and those of calls that follow each other in a queue in that of their
    /// commits.
    ///
    /// It is polled once as soon as the commit is in, outside of the call; if it waits, it goes on on a task of its own. So
    /// what it sends before its first wait is in the order of this process's commits of the session. What the client is
    /// answered is decided by then, and does not wait for it; its panic is logged. A client that leaves changes nothing.
    ///
    /// It begins also where nothing had to be written, after a [`flush`](Self::flush), and with
    /// [`keep_changes`](Self::keep_changes). It is dropped unbegun where the changes are discarded, or their commit fails
    /// or may have failed ([`OutcomeUnknown`](ErrorKind::OutcomeUnknown)). In HTTP outside of annotated handlers its commit
    /// is the one of the whole request.
    ///
    /// ```
    /// use socketioxide::SocketIo;
    /// use socketioxide_session::{Error, SessionControl, http_handler, session_state};
    ///
    /// #[session_state]
    /// struct Cart {
    ///     items: Vec<String>,
    /// }
    ///
    /// async fn add(io: SocketIo, cart: &mut Cart, control: &SessionControl) -> Result<(), Error> {
    ///     cart.items.push("pen".to_owned());
    ///     let (room, items) = (control.key().to_string(), cart.items.clone());
    ///     control.after_commit(async move {
    ///         io.to(room).emit("cart", &items).await.ok();
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] on a socket without one of this crate's attributes, or past its call.
    pub fn after_commit(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        self.with(|intents| intents.after_commit(outside_of_calls(future)))
    }

    fn ask(&self, change: impl FnOnce(&mut Intent)) -> Result<(), Error> {
        self.with(|intents| intents.ask(change))
    }

    /// Acts where the intent of its call is collected; in a request outside of calls, where that of the request is.
    fn with(&self, act: impl FnOnce(&Intents) -> Result<(), Error>) -> Result<(), Error> {
        let mut act = Some(act);
        let acted = CURRENT_CALL.try_with(|call| {
            let is_own = match &self.origin {
                Origin::Request(request) => call.request().is_some_and(|of| Arc::ptr_eq(of, request)),
                Origin::Socket(number) => number.is_some() && call.number() == *number,
            };
            let own = call.intents().filter(|_| is_own)?;
            act.take().map(|act| act(own))
        });
        match (acted.ok().flatten(), &self.origin, act) {
            (Some(acted), ..) => acted,
            (None, Origin::Request(request), Some(act)) => act(request),
            _ => Err(Error::with_text(
                ErrorKind::Unavailable,
                "on a socket, `SessionControl` acts with the commit of the annotated handler that it was extracted in: \
                 put `#[socket_handler()]` (or `#[connect_handler()]`) above the function, and ask before it returns",
            )),
        }
    }
}
