//! `#[socket_handler]` in every form.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use socketioxide::{
    ProtocolVersion, SocketIo, TransportType,
    adapter::{Adapter, LocalAdapter},
    extract::{AckSender, Data, Event, HttpExtension, MaybeExtension, SocketRef, State, TryData},
    socket::DisconnectReason,
};
use socketioxide_session::{Error, ReadOnly, SessionControl, SessionState, Shared, socket_handler};

use crate::states::{Derived, First, Second, Settings, User};

/// An acknowledgement whose name says less.
type Ack = AckSender;

/// A result whose name says less.
type Answer<T> = Result<T, Refusal>;

/// An error that a client may see.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    /// Too often.
    TooOften,
}

/// What an event carries.
#[derive(Debug, Deserialize)]
struct Message {
    /// The text.
    text: String,
}

/// An answer.
#[derive(Debug, Serialize)]
struct Receipt {
    /// How many.
    items: usize,
}

/// No list, no answer.
#[socket_handler]
pub(crate) async fn nothing() {}

/// An empty list.
#[socket_handler()]
async fn nothing_listed(_: SocketRef) {}

/// Reads, and answers with a value.
#[socket_handler(user)]
async fn reads(user: &User) -> Option<String> {
    user.name.clone()
}

/// Writes, and answers with a struct.
#[socket_handler(user)]
pub(crate) async fn writes(user: &mut User) -> Receipt {
    Receipt { items: user.see() }
}

/// Reads what may be there, and answers with a tuple.
#[socket_handler(user)]
async fn may_read(user: Option<&User>) -> (bool, usize) {
    (user.is_some(), 0)
}

/// Every kind of parameter in an order of no meaning.
#[socket_handler(settings, user, first)]
#[expect(clippy::too_many_arguments, reason = "it is about the attribute")]
async fn everything(
    socket: SocketRef,
    user: &mut User,
    Data(Message { text }): Data<Message>,
    first: Option<&First>,
    Event(event): Event,
    settings: &Settings,
    control: SessionControl,
    io: SocketIo,
    second: Shared<Second>,
    State(most): State<usize>,
    MaybeExtension(extension): MaybeExtension<u8>,
    HttpExtension(mut http): HttpExtension<Vec<u8>>,
    _: ProtocolVersion,
    _: TransportType,
) -> Answer<Receipt> {
    user.name = Some(text);
    http.clear();
    if user.see() > most || first.is_some() || extension.is_some() {
        return Err(Refusal::TooOften);
    }
    let rooms = (control.key().to_string(), settings.language.clone());
    socket.join(rooms.0);
    io.to(rooms.1).emit(event, &user.name).await.map_err(|_ignored| Refusal::TooOften)?;
    let other = second.read().await.map_err(|_ignored| Refusal::TooOften)?;
    Ok(Receipt { items: other.other.len() })
}

/// Answers by itself.
#[socket_handler(user)]
async fn answers(user: &User, ack: AckSender) -> Result<(), Refusal> {
    ack.send(&user.name).map_err(|_ignored| Refusal::TooOften)
}

/// Answers by itself, through an alias, and with a tuple of arguments.
#[socket_handler(user)]
async fn answers_through_an_alias(ack: Ack, user: &mut User, TryData(count): TryData<u64>) {
    user.visits = count.unwrap_or_default();
    ack.send(&user.visits).unwrap_or_default();
}

/// The answer is any value, which borrows nothing.
#[socket_handler(derived)]
async fn any_value(derived: &Derived) -> impl Serialize + use<> {
    *derived
}

/// The answer is any value or an error.
#[socket_handler(user)]
async fn any_value_or_error(user: &mut User) -> Result<impl Serialize + use<>, impl Serialize + use<>> {
    if user.see() > 3 { Err(Refusal::TooOften) } else { Ok(Derived::default()) }
}

/// The crate's own error is an answer.
#[socket_handler]
async fn own_error(control: SessionControl, user: Shared<User>) -> Result<String, Error> {
    control.flush()?;
    user.update(|state| state.name.take()).await.map(Option::unwrap_or_default)
}

/// The error is a text, and the answer nothing.
#[socket_handler(user)]
async fn text_error(user: &mut User) -> Result<(), &'static str> {
    if user.see() > 3 { Err("too often") } else { Ok(()) }
}

/// Over any adapter, and answers by itself.
#[socket_handler(user)]
pub(crate) async fn over_any_adapter<A: Adapter>(socket: SocketRef<A>, user: &mut User, ack: AckSender<A>) {
    user.visits = u64::from(socket.rooms().is_empty());
    ack.send(&user.visits).unwrap_or_default();
}

/// Over any adapter, with any state and a number.
#[socket_handler(state)]
async fn generic<A, T, const N: usize>(socket: SocketRef<A>, state: &mut T) -> Vec<[u8; 3]>
where
    A: Adapter,
    T: SessionState,
{
    *state = T::default();
    drop(socket);
    vec![[0; 3]; N]
}

/// Sees a socket go.
#[socket_handler(user)]
pub(crate) async fn disconnected(socket: SocketRef, user: &mut User, reason: DisconnectReason) {
    user.name = Some(format!("{} {reason}", socket.id));
}

/// Sees any event.
#[socket_handler(user)]
async fn fallback(
    Event(event): Event,
    user: &mut User,
    Data(data): Data<Vec<String>>,
) -> Result<usize, String> {
    user.name = Some(event);
    data.first().map(String::len).ok_or_else(|| "nothing came".to_owned())
}

/// A parameter that is there, one that is not.
#[socket_handler(user)]
async fn conditional(
    #[cfg(any(unix, not(unix)))] socket: SocketRef,
    #[cfg(all(unix, not(unix)))] nothing: Nothing,
    user: &User,
    #[cfg_attr(unix, allow(unused_variables, reason = "it is about the attribute"))] io: SocketIo,
) -> bool {
    socket.connected() && user.name.is_some()
}

/// A handler that no event has yet.
#[socket_handler(user)]
#[expect(dead_code, reason = "it is about the attribute")]
async fn no_event_yet(user: &mut User) {
    user.name = None;
}

/// A function that is there.
#[cfg(any(unix, not(unix)))]
#[socket_handler(user)]
#[expect(clippy::shadow_reuse, reason = "it is about the attribute")]
async fn on_this_system(user: &User) -> usize {
    let user = user.name.as_deref().map_or(0, str::len);
    user.max(1)
}

/// A function that is not.
#[cfg(all(unix, not(unix)))]
#[socket_handler(user)]
async fn on_no_system(user: &Nothing) -> Nothing {}

/// Visible to all.
#[socket_handler(user)]
pub async fn public(user: &User) -> Option<String> {
    user.name.clone()
}

/// Waits, and holds nothing while it does.
#[socket_handler]
async fn waits(user: Shared<User>) -> Result<u64, Error> {
    for pause in [1, 2, 3].map(Duration::from_millis) {
        if pause.is_zero() {
            break;
        }
        let _seen: usize = user.update(User::see).await?;
    }
    Ok(user.read().await?.visits)
}

/// Sets the events of a socket.
pub(crate) fn events(socket: &SocketRef) {
    /// A handler of a function.
    #[socket_handler(user)]
    async fn local(user: &User) -> u64 {
        user.visits
    }

    socket.on("nothing", nothing);
    socket.on("nothing listed", nothing_listed);
    socket.on("reads", reads);
    socket.on("writes", writes);
    socket.on("may read", may_read);
    socket.on("everything", everything);
    socket.on("answers", answers);
    socket.on("answers through an alias", answers_through_an_alias);
    socket.on("any value", any_value);
    socket.on("any value or error", any_value_or_error);
    socket.on("own error", own_error);
    socket.on("text error", text_error);
    socket.on("over any adapter", over_any_adapter::<LocalAdapter>);
    socket.on("generic", generic::<LocalAdapter, Derived, 3>);
    socket.on("conditional", conditional);
    socket.on("on this system", on_this_system);
    socket.on("waits", waits);
    socket.on("public", public);
    socket.on("local", local);
    socket.on("closure", async |user: Shared<User>, ack: AckSender| {
        let state = user.read().await.map(ReadOnly::into_inner).unwrap_or_default();
        ack.send(&state.name).unwrap_or_default();
    });
    socket.on_fallback(fallback);
    socket.on_disconnect(disconnected);
}
