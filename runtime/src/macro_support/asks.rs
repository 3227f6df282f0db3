//! Asks of each parameter of a handler, at its own type, whether the framework can extract it. What can be extracted costs
//! nothing and says nothing; what cannot is told there what to write, in place of a framework's words at the place where
//! the handler is registered.
//!
//! The methods of `Asked` are found by autoref: the first that holds, from `First` on, is called. An extractor may be
//! one for a state of axum's that is not known here, so of HTTP only what is no extractor for any state is refused.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{
    http::handler::{FromRequest, FromRequestParts, Next},
    session::state::SessionState,
    socket::arguments::{
        AckSender, Adapter, Data, DisconnectReason, FromConnectParts, FromDisconnectParts, FromMessage,
        FromMessageParts, LocalAdapter, SocketIo, SocketRef, TryData,
    },
};

/// A parameter's type `T` at a place `P`; `W` is what its name looks like.
#[allow(clippy::type_complexity, reason = "a mark of three types")]
pub struct Asked<P, T, W>(PhantomData<fn() -> (P, T, W)>);

impl<P, T, W> Asked<P, T, W> {
    /// The only value.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "an expansion writes it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P, T, W> Clone for Asked<P, T, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, T, W> Copy for Asked<P, T, W> {}

/// A parameter of an HTTP handler behind which others come, an `N` first.
pub struct HttpParts<N>(PhantomData<fn() -> N>);
/// The last one.
pub enum HttpLast {}
/// A parameter of a socket handler behind which others come.
pub enum SocketParts {}
/// The last one.
pub enum SocketLast {}
/// A parameter of a connect handler or of a connect middleware.
pub enum Connect {}

/// One beside an `R`, which tells why a socket ended.
pub struct BesideReason<R>(PhantomData<fn() -> R>);
/// axum's `Next`, where no request comes directly before it, or something comes behind it.
pub enum StrayNext {}

/// Nothing that is known.
pub enum Unknown {}
/// An extractor of axum's.
pub enum OfAxum {}
/// axum's or socketioxide's `State`.
pub enum OfState {}
/// tower-sessions' `Session`.
pub enum OfSession {}
/// A type of the standard library.
pub enum OfStd {}
/// What handlers answer with.
pub enum OfAnswers {}
/// What shares an `I`.
pub struct Shares<I>(PhantomData<fn() -> I>);
/// What is read as an `I`.
pub struct Reads<I>(PhantomData<fn() -> I>);

macro_rules! tiers {
    ($($(#[$doc:meta])* $tier:ident),*) => {
        $(
            $(#[$doc])*
            pub trait $tier<M> {
                /// It is one.
                fn ask(self);
            }
        )*
    };
}

tiers!(
    /// It is extracted, whatever the state or the adapter.
    First,
    /// It is extracted over one adapter.
    Second,
    /// It is of the end of a socket.
    Third,
    /// It is of the end of a socket, over one adapter.
    Fourth,
    /// It is extracted with one state of axum's.
    Seventh
);

impl<T: FromRequestParts<()>, N, W> First<()> for &&&&&&&Asked<HttpParts<N>, T, W> {
    fn ask(self) {}
}

impl<T: FromRequest<(), M>, W, M> First<M> for &&&&&&&Asked<HttpLast, T, W> {
    fn ask(self) {}
}

impl<T: FromMessageParts<LocalAdapter>, W> First<()> for &&&&&&&Asked<SocketParts, T, W> {
    fn ask(self) {}
}

impl<T: FromMessage<LocalAdapter, M>, W, M> First<M> for &&&&&&&Asked<SocketLast, T, W> {
    fn ask(self) {}
}

impl<T: FromConnectParts<LocalAdapter>, W> First<()> for &&&&&&&Asked<Connect, T, W> {
    fn ask(self) {}
}

impl<T: FromMessageParts<A>, A: Adapter, W> Second<A> for &&&&&&Asked<SocketParts, T, W> {
    fn ask(self) {}
}

impl<T: FromMessage<A, M>, A: Adapter, W, M> Second<(A, M)> for &&&&&&Asked<SocketLast, T, W> {
    fn ask(self) {}
}

impl<T: FromConnectParts<A>, A: Adapter, W> Second<A> for &&&&&&Asked<Connect, T, W> {
    fn ask(self) {}
}

impl<T: FromDisconnectParts<LocalAdapter>, W> Third<()> for &&&&&Asked<SocketParts, T, W> {
    fn ask(self) {}
}

impl<T: FromDisconnectParts<LocalAdapter>, W> Third<()> for &&&&&Asked<SocketLast, T, W> {
    fn ask(self) {}
}

impl<T: FromDisconnectParts<A>, A: Adapter, W> Fourth<A> for &&&&Asked<SocketParts, T, W> {
    fn ask(self) {}
}

impl<T: FromDisconnectParts<A>, A: Adapter, W> Fourth<A> for &&&&Asked<SocketLast, T, W> {
    fn ask(self) {}
}

impl<T: FromRequestParts<S>, N, S> Seventh<S> for &Asked<HttpParts<N>, T, OfStd> {
    fn ask(self) {}
}

impl<T: FromRequest<S, M>, S, M> Seventh<(S, M)> for &Asked<HttpLast, T, OfStd> {
    fn ask(self) {}
}

impl<T: FromRequestParts<S>, N, S> Seventh<S> for &Asked<HttpParts<N>, T, OfAnswers> {
    fn ask(self) {}
}

impl<T: FromRequest<S, M>, S, M> Seventh<(S, M)> for &Asked<HttpLast, T, OfAnswers> {
    fn ask(self) {}
}

/// A mistake that a trait tells: its method cannot be called.
macro_rules! refuses {
    ($tier:ident, $never:ident, $message:tt, $label:tt, $note:tt;
     $(<$($generic:ident $(: $bound:ident $(<$($of:ty),*>)?)?),*> $marker:ty => $asked:ty;)*) => {
        #[diagnostic::on_unimplemented(message = $message, label = $label, note = $note)]
        #[doc(hidden)]
        pub trait $never {}

        #[doc(hidden)]
        pub trait $tier<T, M> {
            #[doc(hidden)]
            fn ask(self)
            where
                T: $never;
        }

        $(
            impl<$($generic $(: $bound $(<$($of),*>)?)?),*> $tier<T, $marker> for $asked {
                fn ask(self)
                where
                    T: $never,
                {
                }
            }
        )*
    };
}

refuses!(
    OwnState, TakenByValue,
    "a handler borrows its session state",
    "is session state, taken by value",
    "write `&{Self}` to read it or `&mut {Self}` to change it, and name the parameter in the attribute";
    <T: SessionState, N, W> () => &&&Asked<HttpParts<N>, T, W>;
    <T: SessionState, W> () => &&&Asked<HttpLast, T, W>;
    <T: SessionState, W> () => &&&Asked<SocketParts, T, W>;
    <T: SessionState, W> () => &&&Asked<SocketLast, T, W>;
    <T: SessionState, W> () => &&&Asked<Connect, T, W>;
);

refuses!(
    BodyFirst, ReadsBody,
    "`{Self}` consumes the request, so it comes last",
    "another extractor comes after it",
    "move it to the end of the parameters; a request has one body: where two are read, read it once, as `Bytes` or `String`";
    <T: FromRequest<(), M>, N: FromRequest<(), O>, W, M, O> (M, O) => &&&&&&Asked<HttpParts<N>, T, W>;
);

/// What socketioxide extracts, and axum does not.
pub trait OfSockets {}

impl<T> OfSockets for Data<T> {}
impl<T> OfSockets for TryData<T> {}
impl<A: Adapter> OfSockets for SocketRef<A> {}
impl<A: Adapter> OfSockets for AckSender<A> {}
impl<A: Adapter> OfSockets for SocketIo<A> {}
impl OfSockets for DisconnectReason {}

refuses!(
    SocketsOwn, TakenByHttp,
    "`{Self}` is socketioxide's, and an HTTP handler has no socket",
    "is for `#[socket_handler]` and `#[connect_handler]`",
    "a body is read by `Json(..)`, `Form(..)` or `String`, and what is returned is the answer; `SocketIo` comes by axum's \
     `State(io): State<SocketIo>`";
    <T: OfSockets, N, W> () => &&Asked<HttpParts<N>, T, W>;
    <T: OfSockets, W> () => &&Asked<HttpLast, T, W>;
);

/// What comes with an event, and not with the end of a socket.
pub trait OfEvents {}

impl<T> OfEvents for Data<T> {}
impl<T> OfEvents for TryData<T> {}
impl<A: Adapter> OfEvents for AckSender<A> {}

refuses!(
    EndsOwn, TakenAtTheEnd,
    "a socket's end has no `{Self}`",
    "is not there beside a `DisconnectReason`",
    "a handler for `on_disconnect` takes `DisconnectReason`, and what a client sent comes to another one, for `on(\"event\", ..)`";
    <T: OfEvents, W> () => &&Asked<BesideReason<DisconnectReason>, T, W>;
);

/// axum's `Next`.
pub trait OfMiddlewares {}

impl OfMiddlewares for Next {}

refuses!(
    MiddlewaresOwn, TakenWithoutRequest,
    "a middleware takes the request, and then `Next`, as its last parameters",
    "comes last, directly behind the request",
    "write `request: Request, next: Next` at the end of the parameters";
    <T: OfMiddlewares, W> () => &&Asked<StrayNext, T, W>;
);

refuses!(
    Payload, TakenAsItIs,
    "what a client sends is taken by `Data`",
    "is no extractor of a socket handler",
    "write `Data(name): Data<{Self}>`, as the last parameter";
    <T: DeserializeOwned> () => &&Asked<SocketParts, T, Unknown>;
    <T: DeserializeOwned> () => &&Asked<SocketLast, T, Unknown>;
    <T: DeserializeOwned> () => &&Asked<SocketParts, T, OfStd>;
    <T: DeserializeOwned> () => &&Asked<SocketLast, T, OfStd>;
    <T: DeserializeOwned> () => &&Asked<Connect, T, Unknown>;
    <T: DeserializeOwned> () => &&Asked<Connect, T, OfStd>;
);

/// The last words, by what a name looks like.
macro_rules! last_words {
    ($($never:ident, [$($(@$next:ident)? $place:ty, $word:ident;)*], $message:tt, $label:tt, $note:tt;)*) => {
        $(
            #[diagnostic::on_unimplemented(message = $message, label = $label, note = $note)]
            #[doc(hidden)]
            pub trait $never {}

            $(
                impl<T $(, $next)?> Asked<$place, T, $word> {
                    #[doc(hidden)]
                    pub fn ask(self)
                    where
                        T: $never,
                    {
                    }
                }
            )*
        )*
    };
}

last_words! {
    SocketArgument, [SocketParts, Unknown; SocketLast, Unknown;],
        "`{Self}` is no extractor of a socket handler",
        "implements neither `FromMessageParts` nor `FromDisconnectParts`",
        "what a client sends is `Data(name): Data<T>` with a `T: Deserialize`, as the last parameter; a session's state is \
         borrowed, and named in the attribute; what the application shares is socketioxide's `State<T>`";
    ConnectArgument, [Connect, Unknown;],
        "`{Self}` is no extractor of a connect handler",
        "does not implement `FromConnectParts`",
        "what a client sends to connect is `Data(name): Data<T>` or `TryData`; nothing is acknowledged there, so no \
         `AckSender` is taken; a session's state is borrowed, and named in the attribute";
    SocketArgumentOfAxum, [SocketParts, OfAxum; SocketLast, OfAxum; Connect, OfAxum;],
        "`{Self}` is axum's, and an event is no request",
        "is for `#[http_handler]`",
        "what a client sends is `Data(name): Data<T>`; of the handshake's request, `socket.req_parts()` of a `SocketRef` has \
         the headers, the URI and the extensions";
    SocketArgumentOfState, [SocketParts, OfState; SocketLast, OfState; Connect, OfState;],
        "`{Self}` is no `State` of socketioxide's",
        "another crate's `State`, or one that is not `Clone + Send + Sync`",
        "on sockets take the `State` of socketioxide's `extract`, and `SocketIo::builder().with_state(..)`";
    SocketArgumentOfSession, [SocketParts, OfSession; SocketLast, OfSession; Connect, OfSession;],
        "a socket has no `{Self}`: it would be a copy that gets stale",
        "is for HTTP",
        "borrow a `#[session_state]` and name it in the attribute, or take `Shared<T>`; `SessionControl` ends the session";
    SocketArgumentOfStd, [SocketParts, OfStd; SocketLast, OfStd; Connect, OfStd;],
        "`{Self}` is no extractor of a socket handler",
        "what the application shares is taken by `State`",
        "write `State(name): State<{Self}>` with the `State` of socketioxide's `extract`; what a client sends is `Data(name): Data<T>`";
    HttpArgumentOfAnswers, [@N HttpParts<N>, OfAnswers; HttpLast, OfAnswers;],
        "`{Self}` is what a handler answers with, and no extractor",
        "is not in the request",
        "take it away, and return it: `-> {Self}`, or `-> Result<T, {Self}>`";
    HttpArgumentOfStd, [@N HttpParts<N>, OfStd; HttpLast, OfStd;],
        "`{Self}` is no extractor",
        "does not say where in the request it is found",
        "write `Path(name): Path<{Self}>`, `Query(name): Query<{Self}>`, `Json(name): Json<{Self}>` or `Form(..)`; what the \
         application shares is `State(name): State<{Self}>`";
}

macro_rules! nothing_to_say {
    ($($(@$next:ident)? $place:ty, $word:ident;)*) => {
        $(
            impl<T $(, $next)?> Asked<$place, T, $word> {
                /// Only where it is registered is it known whether it is.
                pub fn ask(self) {}
            }
        )*
    };
}

nothing_to_say! {
    @N BesideReason<N>, Unknown;
    StrayNext, Unknown;
    @N HttpParts<N>, Unknown;
    HttpLast, Unknown;
    @N HttpParts<N>, OfAxum;
    HttpLast, OfAxum;
    @N HttpParts<N>, OfState;
    HttpLast, OfState;
    @N HttpParts<N>, OfSession;
    HttpLast, OfSession;
}

impl<P, T, I> Asked<P, T, Shares<I>> {
    /// As far as is known here.
    pub fn ask(self)
    where
        I: SessionState,
    {
    }
}

/// What a client sends is read as one.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be read from what a client sends",
    label = "is read as `{Self}`",
    note = "write `#[derive(serde::Deserialize)]` above `{Self}`, which owns its fields"
)]
pub trait IsRead {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> IsRead for T {}

impl<P, T, I> Asked<P, T, Reads<I>> {
    /// As far as is known here.
    pub fn ask(self)
    where
        I: IsRead,
    {
    }
}
