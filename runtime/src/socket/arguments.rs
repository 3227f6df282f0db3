//! What a handler takes beside its states: extracted before its call has a place in any queue, and as a result, so that a
//! client hears of an extractor that fails.

use std::{any::type_name, collections::HashMap, error::Error as StdError, sync::Arc};

use parking_lot::Mutex;
pub(crate) use socketioxide::{
    SocketIo,
    adapter::{Adapter, LocalAdapter},
    extract::{AckSender, Data, SocketRef, TryData},
    handler::{FromConnectParts, FromDisconnectParts, FromMessage, FromMessageParts},
    socket::DisconnectReason,
};
use socketioxide::{handler::Value, socket::Socket};
use tracing::field;

use crate::{
    error::{Error, ErrorKind},
    figures,
    log_limit::LogLimit,
    panics::caught,
};

/// The types of a handler's arguments, written as `fn(Data<u32>, SocketRef)`, because `#[cfg]` can stand before each of
/// them there.
pub trait Arguments {
    /// Their values, one inside of the other: `(Data<u32>, (SocketRef, ()))`.
    type Values;
}

/// Arguments that an event has. `M` says how the last of them is extracted.
pub trait FromEvent<A: Adapter, M>: Arguments {
    /// Extracts them in their order.
    ///
    /// # Errors
    ///
    /// The first extractor's that fails.
    fn from_event(
        socket: Arc<Socket<A>>,
        value: Value,
        ack_id: Option<i64>,
    ) -> Result<Self::Values, Box<NotExtracted>>;
}

/// Arguments that the end of a socket has.
pub trait FromDisconnect<A: Adapter>: Arguments {
    /// Extracts them in their order.
    ///
    /// # Errors
    ///
    /// The first extractor's that fails.
    fn from_disconnect(
        socket: &Arc<Socket<A>>,
        reason: DisconnectReason,
    ) -> Result<Self::Values, Box<NotExtracted>>;
}

/// Arguments that a connection has.
#[allow(clippy::ref_option, reason = "socketioxide's extractors take it so")]
pub trait FromConnect<A: Adapter>: Sized {
    /// Extracts them in their order.
    ///
    /// # Errors
    ///
    /// The first extractor's that fails.
    fn from_connect(socket: &Arc<Socket<A>>, auth: &Option<Value>) -> Result<Self, Box<NotExtracted>>;
}

/// An extractor that failed.
pub struct NotExtracted {
    pub(super) error: Error,
    extractor: &'static str,
}

impl NotExtracted {
    /// Writes that to the log. `event`: what came; `handler`: what is not called, with its states; `key`: the session's, if
    /// it is known. The cause may quote what a client sent, so it is not for every log.
    pub(super) fn log(
        &self,
        event: &str,
        handler: &'static str,
        states: &'static [&'static str],
        key: Option<&str>,
    ) {
        static LIMITS: Mutex<Option<HashMap<&str, Arc<LogLimit>>>> = Mutex::new(None);
        let Self { error, extractor } = self;
        let code = error.kind().code();
        figures::error(code);
        let limit = Arc::clone(LIMITS.lock().get_or_insert_default().entry(handler).or_default());
        limit.log(|left_out| {
            tracing::warn!(
                code, event, handler, states = field::debug(states), key, extractor, left_out,
                "a handler is not called, because an argument cannot be extracted (the cause is logged at `debug`)"
            );
        });
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        tracing::debug!(code, event, handler, extractor, cause, "an argument cannot be extracted");
    }
}

/// One argument. A panic is an error of this call, and of nothing else: it would end what reads the connection.
fn argument<T, E: StdError + 'static>(
    extract: impl FnOnce() -> Result<T, E>,
) -> Result<T, Box<NotExtracted>> {
    let failed = |error| Box::new(NotExtracted { error, extractor: type_name::<T>() });
    match caught(|| Ok(extract())) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(of_extractor(&error))),
        Err(panicked) => Err(failed(panicked)),
    }
}

/// An error of this crate stays what it is. Any other may say what is no client's business.
fn of_extractor(error: &(dyn StdError + 'static)) -> Error {
    match error.downcast_ref::<Error>() {
        Some(own) => own.clone(),
        None => Error::new(ErrorKind::BadArgument).because(error.to_string()),
    }
}

macro_rules! values {
    () => { () };
    ($first:tt $($rest:tt)*) => { ($first, values!($($rest)*)) };
}

macro_rules! arguments {
    ($($argument:ident)* , $last:ident) => {
        #[diagnostic::do_not_recommend]
        impl<$($argument,)* $last> Arguments for fn($($argument,)* $last) {
            type Values = values!($($argument)* $last);
        }

        #[allow(non_snake_case, reason = "a value is named as its type")]
        #[diagnostic::do_not_recommend]
        impl<A, M, $($argument,)* $last> FromEvent<A, M> for fn($($argument,)* $last)
        where
            A: Adapter,
            $($argument: FromMessageParts<A>,)*
            $last: FromMessage<A, M>,
        {
            #[allow(unused_mut, reason = "one argument alone takes it whole")]
            fn from_event(
                socket: Arc<Socket<A>>,
                mut value: Value,
                ack_id: Option<i64>,
            ) -> Result<Self::Values, Box<NotExtracted>> {
                $(let $argument = argument(|| $argument::from_message_parts(&socket, &mut value, &ack_id))?;)*
                let $last = argument(|| $last::from_message(socket, value, ack_id))?;
                Ok(values!($($argument)* $last))
            }
        }

        #[allow(non_snake_case, reason = "a value is named as its type")]
        #[diagnostic::do_not_recommend]
        impl<A, $($argument,)* $last> FromDisconnect<A> for fn($($argument,)* $last)
        where
            A: Adapter,
            $($argument: FromDisconnectParts<A>,)*
            $last: FromDisconnectParts<A>,
        {
            fn from_disconnect(
                socket: &Arc<Socket<A>>,
                reason: DisconnectReason,
            ) -> Result<Self::Values, Box<NotExtracted>> {
                $(let $argument = argument(|| $argument::from_disconnect_parts(socket, reason))?;)*
                let $last = argument(|| $last::from_disconnect_parts(socket, reason))?;
                Ok(values!($($argument)* $last))
            }
        }

        #[allow(non_snake_case, reason = "a value is named as its type")]
        #[diagnostic::do_not_recommend]
        impl<A, $($argument,)* $last> FromConnect<A> for ($($argument,)* $last,)
        where
            A: Adapter,
            $($argument: FromConnectParts<A>,)*
            $last: FromConnectParts<A>,
        {
            fn from_connect(
                socket: &Arc<Socket<A>>,
                auth: &Option<Value>,
            ) -> Result<Self, Box<NotExtracted>> {
                $(let $argument = argument(|| $argument::from_connect_parts(socket, auth))?;)*
                let $last = argument(|| $last::from_connect_parts(socket, auth))?;
                Ok(($($argument,)* $last,))
            }
        }
    };
}

arguments!(, T1);
arguments!(T1, T2);
arguments!(T1 T2, T3);
arguments!(T1 T2 T3, T4);
arguments!(T1 T2 T3 T4, T5);
arguments!(T1 T2 T3 T4 T5, T6);
arguments!(T1 T2 T3 T4 T5 T6, T7);
arguments!(T1 T2 T3 T4 T5 T6 T7, T8);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8, T9);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9, T10);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10, T11);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11, T12);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12, T13);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13, T14);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14, T15);
arguments!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15, T16);

impl Arguments for fn() {
    type Values = ();
}

/// `M` of a handler that takes no arguments.
#[derive(Debug)]
pub enum NoArguments {}

impl<A: Adapter> FromEvent<A, NoArguments> for fn() {
    fn from_event(_: Arc<Socket<A>>, _: Value, _: Option<i64>) -> Result<(), Box<NotExtracted>> {
        Ok(())
    }
}

impl<A: Adapter> FromDisconnect<A> for fn() {
    fn from_disconnect(_: &Arc<Socket<A>>, _: DisconnectReason) -> Result<(), Box<NotExtracted>> {
        Ok(())
    }
}

impl<A: Adapter> FromConnect<A> for () {
    fn from_connect(_: &Arc<Socket<A>>, _: &Option<Value>) -> Result<(), Box<NotExtracted>> {
        Ok(())
    }
}
