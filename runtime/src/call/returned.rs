//! Which of its outcomes a handler's value is, found by its type and not by its spelling: an alias of `Result`
//! changes nothing.

#![allow(clippy::wrong_self_convention, reason = "a probe is consumed: its method is chosen by autoref")]

use std::cell::Cell;

use serde::{Serialize, Serializer};

use crate::call::running_call::Panicked;

/// What a handler returned.
#[derive(Debug)]
pub enum Outcome<T, E> {
    /// A value, or `Ok` of one.
    Value(T),
    /// `Err`.
    Error(E),
    /// Nothing: it panicked.
    Panicked(Panicked),
}

/// The error of a handler that returns none.
#[derive(Debug)]
pub enum Never {}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

/// A handler's value, of which [`ByShape`] and [`ByValue`] tell whether it is an `Err`.
#[derive(Debug)]
pub struct Shape<'a, R>(pub &'a R);

/// For a `Result`: found first.
pub trait ByShape {
    /// Whether it is an `Err`.
    fn is_err(self) -> bool;
}

impl<T, E> ByShape for Shape<'_, Result<T, E>> {
    fn is_err(self) -> bool {
        self.0.is_err()
    }
}

/// For any other value.
pub trait ByValue {
    /// Whether it is an `Err`.
    fn is_err(self) -> bool;
}

impl<R> ByValue for &Shape<'_, R> {
    fn is_err(self) -> bool {
        false
    }
}

/// A handler's value, which [`SplitResult`] and [`SplitValue`] turn into an [`Outcome`].
pub struct Split<R>(Cell<Option<R>>);

impl<R> Split<R> {
    /// Of this value.
    pub fn new(value: R) -> Self {
        Self(Cell::new(Some(value)))
    }
}

/// For a `Result`: found first.
pub trait SplitResult<T, E> {
    /// The outcome.
    fn split(self) -> Outcome<T, E>;
}

impl<T, E> SplitResult<T, E> for Split<Result<T, E>> {
    fn split(self) -> Outcome<T, E> {
        match self.0.into_inner() {
            Some(Ok(value)) => Outcome::Value(value),
            Some(Err(error)) => Outcome::Error(error),
            None => unreachable!("a handler's value is split once"),
        }
    }
}

/// For any other value.
pub trait SplitValue<R> {
    /// The outcome.
    fn split(self) -> Outcome<R, Never>;
}

impl<R> SplitValue<R> for &Split<R> {
    fn split(self) -> Outcome<R, Never> {
        match self.0.take() {
            Some(value) => Outcome::Value(value),
            None => unreachable!("a handler's value is split once"),
        }
    }
}
