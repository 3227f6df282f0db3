//! What can be given to `on`, `on_disconnect` and `with`: what socketioxide takes there. In traits of our own, which say to what
//! is none of it what to write.

use socketioxide::{
    adapter::Adapter,
    handler::{ConnectMiddleware, DisconnectHandler, MessageHandler},
};

/// A handler of events.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler of events",
    label = "cannot be called when an event comes",
    note = "write `#[socket_handler(..)]` above the function, which names the states that it borrows; without an attribute it is \
            `async`, takes extractors of socketioxide alone, and returns nothing",
    note = "it is given by its name, without `()`; a handler with a `DisconnectReason` is given to `on_disconnect`"
)]
pub trait IsMessageHandler<A: Adapter, T>: MessageHandler<A, T> {}

#[diagnostic::do_not_recommend]
impl<A: Adapter, T, H: MessageHandler<A, T>> IsMessageHandler<A, T> for H {}

/// A handler of the end of a socket.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler of a socket's end",
    label = "cannot be called when a socket ends",
    note = "write `#[socket_handler(..)]` above the function, which names the states that it borrows; beside them it takes \
            `SocketRef`, `DisconnectReason` and what the application shares: a client that leaves sends no `Data`, and awaits no \
            acknowledgement",
    note = "it is given by its name, without `()`"
)]
pub trait IsDisconnectHandler<A: Adapter, T>: DisconnectHandler<A, T> {}

#[diagnostic::do_not_recommend]
impl<A: Adapter, T, H: DisconnectHandler<A, T>> IsDisconnectHandler<A, T> for H {}

/// A connect middleware.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no connect middleware",
    label = "cannot decide who connects",
    note = "write `#[connect_middleware(..)]` above the function, which names the states that it borrows, and \
            `-> Result<(), E>` with an `E: Display`",
    note = "it is given by its name, without `()`"
)]
pub trait IsConnectMiddleware<A: Adapter, T>: ConnectMiddleware<A, T> {}

#[diagnostic::do_not_recommend]
impl<A: Adapter, T, M: ConnectMiddleware<A, T>> IsConnectMiddleware<A, T> for M {}
