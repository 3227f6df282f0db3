//! How the user's function ended: whether its value is an `Err` is found by its type and not by its spelling, so that an
//! alias of `Result` changes nothing.

#![allow(clippy::wrong_self_convention, reason = "a probe is consumed: its method is chosen by autoref")]

use std::cell::Cell;

use serde::{Serialize, Serializer};

use crate::call::scope::Panicked;

/// What a handler returned.
#[derive(Debug)]
pub enum Returned<T, E> {
    /// A value, or `Ok` of one.
    Value(T),
    /// `Err`.
    Error(E),
    /// Nothing: it panicked.
    Panicked(Panicked),
}

/// A value that a client can be sent.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be sent to a client",
    label = "is not `Serialize`, or not `Send + Sync + 'static`",
    note = "what is returned is the acknowledgement: return an owned value that is `Serialize` (`#[derive(serde::Serialize)]`), as \
            it is and without axum's `Json`"
)]
pub trait IsValue: Serialize + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Send + Sync + 'static> IsValue for T {}

/// An error that a client can be sent.
#[diagnostic::on_unimplemented(
    message = "an error that a client sees is `Serialize`, and `{Self}` is not",
    label = "is not `Serialize`, or not `Send + Sync + 'static`",
    note = "choose what the client is told, as with `map_err(|error| error.to_string())` and `Result<T, String>`, or derive \
            `Serialize` on an error type of your own"
)]
pub trait IsError: Serialize + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Send + Sync + 'static> IsError for T {}

/// The error of a handler that returns none.
#[derive(Debug)]
pub enum Never {}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

/// What a handler returned, of which [`ShapeOfResult`] and [`ShapeOfValue`] tell whether it is an `Err`.
#[derive(Debug)]
pub struct Shape<'a, R>(pub &'a Result<R, Panicked>);

/// For a `Result`: found first.
pub trait ShapeOfResult {
    /// Whether it is an `Err`.
    fn is_err(self) -> bool;
}

impl<T, E> ShapeOfResult for Shape<'_, Result<T, E>> {
    fn is_err(self) -> bool {
        matches!(self.0, Ok(Err(_)))
    }
}

/// For any other value.
pub trait ShapeOfValue {
    /// Whether it is an `Err`.
    fn is_err(self) -> bool;
}

impl<R> ShapeOfValue for &Shape<'_, R> {
    fn is_err(self) -> bool {
        false
    }
}

/// What a handler returned, which [`SplitResult`] and [`SplitValue`] turn into `Returned`.
pub struct Split<R>(Cell<Option<Result<R, Panicked>>>);

impl<R> Split<R> {
    /// Of what the user's function came to.
    pub fn new(result: Result<R, Panicked>) -> Self {
        Self(Cell::new(Some(result)))
    }
}

/// For a `Result`: found first.
pub trait SplitResult<T, E> {
    /// The value, the error or the panic.
    fn split(self) -> Returned<T, E>;
}

impl<T, E> SplitResult<T, E> for Split<Result<T, E>> {
    fn split(self) -> Returned<T, E> {
        match self.0.into_inner() {
            Some(Ok(Ok(value))) => Returned::Value(value),
            Some(Ok(Err(error))) => Returned::Error(error),
            Some(Err(panicked)) => Returned::Panicked(panicked),
            None => unreachable!("a handler's value is split once"),
        }
    }
}

/// For any other value.
pub trait SplitValue<R> {
    /// The value or the panic.
    fn split(self) -> Returned<R, Never>;
}

impl<R> SplitValue<R> for &Split<R> {
    fn split(self) -> Returned<R, Never> {
        match self.0.take() {
            Some(Ok(value)) => Returned::Value(value),
            Some(Err(panicked)) => Returned::Panicked(panicked),
            None => unreachable!("a handler's value is split once"),
        }
    }
}
