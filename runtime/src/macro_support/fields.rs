//! What is asked of the type of a state, and of each field of one, at that type.

use serde::{Serialize, de::DeserializeOwned};

use crate::session::state::SessionState;

/// The value that a field begins with.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` needs a first value",
    label = "has no `Default`",
    note = "write `#[session(default = ..)]` above the field, or `#[derive(Default)]` above `{Self}`"
)]
pub trait FirstValue: Sized {
    /// That value.
    fn first_value() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> FirstValue for T {
    fn first_value() -> Self {
        T::default()
    }
}

/// What can be stored, and read again.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be stored",
    label = "is not `Serialize` and `Deserialize`",
    note = "write `#[session_value]`, or `#[derive(serde::Serialize, serde::Deserialize)]`, above the type that is stored; keep \
            what lives in this process alone (a connection, a channel, an `Instant`) outside of the state",
    note = "of std's arrays serde stores those of up to 32 elements: write `Vec<T>` for a longer one"
)]
pub trait Stored {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Stored for T {}

/// What a state can hold while handlers on other threads read it.
#[diagnostic::on_unimplemented(
    message = "a state owns its fields, and threads share it: `{Self}` is not `Send + Sync + 'static`",
    label = "is not `Send + Sync + 'static`",
    note = "write an owned type, as `String`, `Vec<T>` or `u64`; without `Rc`, `Cell` and `RefCell`: a handler with `&mut` has the \
            state for itself"
)]
pub trait Owned {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Owned for T {}

/// A state that is called as an extractor is. Not above `SessionState`, of which the compiler would tell first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an extractor, which is taken by value, and no session state",
    label = "is taken by value",
    note = "write its type without `&`, and leave the parameter out of the attribute"
)]
pub trait StateNotExtractor {}

#[diagnostic::do_not_recommend]
impl<T: SessionState> StateNotExtractor for T {}
