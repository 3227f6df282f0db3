//! `#[connect_handler]` and `#[connect_middleware]` in every form.

use core::fmt::{self, Display};

use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    adapter::{Adapter, LocalAdapter},
    extract::{Data, SocketRef, TryData},
    handler::ConnectHandler as _,
};
use socketioxide_session::{
    Error, EventRouter, SessionControl, Shared, connect_handler, connect_middleware, session_alive,
};

use crate::{
    socket,
    states::{First, Second, Settings, User},
};

/// What a client shows.
#[derive(Debug, Deserialize)]
struct Auth {
    /// A name.
    name: String,
}

/// An error that a client may see, as text or as it is.
#[derive(Clone, Copy, Debug, Serialize)]
struct Refusal;

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

/// A result whose name says less.
type Verdict<T = ()> = Result<T, Refusal>;

/// No list.
#[connect_handler]
async fn nothing() {}

/// An empty list.
#[connect_handler()]
async fn nothing_listed(_: SocketRef) {}

/// Reads.
#[connect_handler(user)]
async fn reads(user: &User, socket: SocketRef) {
    socket.emit("name", &user.name).unwrap_or_default();
    socket::events(&socket);
}

/// Writes; what it returns is told to nobody.
#[connect_handler(user)]
async fn writes(user: &mut User) -> usize {
    user.see()
}

/// Every kind of parameter in an order of no meaning.
#[connect_handler(settings, user, first)]
#[expect(clippy::too_many_arguments, reason = "it is about the attribute")]
async fn everything(
    socket: SocketRef,
    user: &mut User,
    TryData(auth): TryData<Auth>,
    first: Option<&First>,
    settings: &Settings,
    mut io: SocketIo,
    control: SessionControl,
    second: Shared<Second>,
) -> Verdict {
    user.name = auth.ok().map(|Auth { name }| name);
    if first.is_some() {
        io = io.clone();
    }
    drop((io, second));
    socket.join([control.key().to_string(), settings.language.clone()]);
    if user.see() > 3 { Err(Refusal) } else { Ok(()) }
}

/// Over any adapter.
#[connect_handler(user)]
async fn over_any_adapter<A: Adapter>(socket: SocketRef<A>, user: &mut User) {
    user.visits = u64::from(socket.rooms().is_empty());
}

/// Over any adapter, with its bound behind.
#[connect_handler]
async fn over_any_adapter_too<A>(socket: SocketRef<A>) -> Result<(), &'static str>
where
    A: Adapter,
{
    if socket.connected() { Ok(()) } else { Err("gone") }
}

/// Its name is a value's, and a module's of its own.
#[connect_handler]
async fn chat(socket: SocketRef) {
    socket.join(chat::ROOM);
}

/// What is said in the chat.
mod chat {
    use socketioxide_session::connect_handler;

    /// Where.
    pub(super) const ROOM: &str = "chat";

    /// For those who know each other. It is used elsewhere by its name.
    #[connect_handler]
    pub(super) async fn whisper() {}
}

use chat::whisper;

/// A type by the name of a handler.
#[expect(non_camel_case_types, reason = "it is about the attribute")]
type whisper = u8;

/// The crate's own error is told.
#[connect_handler]
async fn own_error(user: Shared<User>) -> Result<usize, Error> {
    user.update(User::see).await
}

/// A handler that no namespace has yet.
#[connect_handler(user)]
#[expect(dead_code, reason = "it is about the attribute")]
async fn no_namespace_yet(user: &mut User) {
    user.name = None;
}

/// A function that is there, that goes, and whose lints are known.
#[cfg(any(unix, not(unix)))]
#[deprecated = "use `reads`"]
#[connect_handler(user)]
#[expect(clippy::shadow_reuse, reason = "it is about the attribute")]
async fn deprecated(user: &User, socket: SocketRef) {
    let user = user.name.as_deref().map_or(0, str::len);
    socket.emit("length", &user).unwrap_or_default();
}

/// A function that is not.
#[cfg(all(unix, not(unix)))]
#[connect_handler(user)]
async fn on_no_system(user: &Nothing) -> Nothing {}

/// Lets users in.
#[connect_middleware(user)]
async fn only_users(user: &User) -> Result<(), &'static str> {
    user.name.as_ref().map(|_| ()).ok_or("log in first")
}

/// Lets few in, through an alias.
#[connect_middleware(user)]
async fn few(user: &mut User, Data(auth): Data<Auth>) -> Verdict {
    if user.see() > auth.name.len() { Err(Refusal) } else { Ok(()) }
}

/// Refuses with anything that can be shown.
#[connect_middleware(user)]
async fn shown(socket: SocketRef, user: Option<&User>) -> Result<(), impl Display + '_> {
    let shown = user.map(|state| {
        fmt::from_fn(|formatter| formatter.write_str(state.name.as_deref().unwrap_or_default()))
    });
    if socket.connected() { shown.map_or(Ok(()), Err) } else { Ok(()) }
}

/// Holds nothing, over any adapter.
#[connect_middleware]
async fn any_adapter<A: Adapter>(socket: SocketRef<A>) -> Result<(), Error> {
    drop(socket);
    Ok(())
}

/// A function that is there, with a parameter that is there and one that is not.
#[cfg(any(unix, not(unix)))]
#[connect_middleware(user)]
async fn conditional(
    #[cfg(any(unix, not(unix)))] socket: SocketRef,
    #[cfg(all(unix, not(unix)))] nothing: Nothing,
    user: &User,
) -> Result<(), String> {
    if user.name.is_none() { Err(socket.id.to_string()) } else { Ok(()) }
}

pub mod inner {
    //! Handlers of other modules.

    use socketioxide::extract::SocketRef;
    use socketioxide_session::{connect_handler, connect_middleware};

    use crate::states::User;

    /// Visible to all.
    #[connect_handler(user)]
    pub async fn public(user: &User, socket: SocketRef) {
        socket.emit("name", &user.name).unwrap_or_default();
    }

    /// Visible to all.
    ///
    /// # Errors
    ///
    /// Where nobody is logged in.
    #[connect_middleware(user)]
    pub async fn public_middleware(user: &User) -> Result<(), String> {
        user.name.as_ref().map(|_| ()).ok_or_else(|| "log in first".to_owned())
    }

    /// Visible above.
    #[connect_handler(user)]
    pub(super) async fn visible_above(user: &User) {
        let _name: Option<&str> = user.name.as_deref();
    }

    /// Visible in the crate.
    #[connect_middleware(user)]
    pub(crate) async fn visible_in_the_crate(user: &User) -> Result<(), String> {
        user.name.as_ref().map(|_| ()).ok_or_else(|| "log in first".to_owned())
    }
}

/// A plain handler.
async fn plain(socket: SocketRef) {
    drop(socket);
}

/// Sets the namespaces.
pub(crate) fn namespaces(io: &SocketIo) {
    /// A handler of a function.
    #[connect_handler(user)]
    async fn local(user: &User, socket: SocketRef) {
        socket.emit("name", &user.name).unwrap_or_default();
    }

    io.ns("/", nothing);
    io.ns("/nothing-listed", nothing_listed);
    io.ns("/reads", reads.with(only_users));
    io.ns("/writes", writes.with(few).with(shown).with(session_alive));
    io.ns("/everything", everything.with(any_adapter::<LocalAdapter>).with(conditional));
    io.ns("/any-adapter", over_any_adapter);
    io.ns("/any-adapter-too", over_any_adapter_too);
    io.ns("/own-error", own_error);
    #[expect(deprecated, reason = "it is about the attribute")]
    io.ns("/deprecated", deprecated);
    io.ns("/public", inner::public.with(inner::public_middleware));
    io.ns("/inner", inner::visible_above.with(inner::visible_in_the_crate));
    io.ns("/local", local);
    let closure = async |_: SocketRef, user: Shared<User>| drop(user);
    let events = chat.on("nothing", socket::nothing).on("closure", closure);
    io.ns("/chat", events.on_disconnect(socket::disconnected).with(only_users));
    io.ns("/whisper", whisper.with(few).on("any", socket::over_any_adapter::<LocalAdapter>));
    let length: whisper = 8;
    io.ns(format!("/{length}"), EventRouter::new().on("writes", socket::writes));
    io.ns("/plain", plain.with(session_alive).with(only_users));
    io.ns("/plain-too", session_alive(plain.with(few)).with(only_users));
    io.dyn_ns("/plain/{id}", session_alive(plain)).unwrap_or_default();
    // A handler is a value: it can be kept and used again.
    let kept = reads;
    io.ns("/kept", kept);
    io.ns("/kept-too", kept);
    io.dyn_ns("/dynamic/{id}", kept.with(only_users)).unwrap_or_default();
}
