//! A type of which something was asked before it is used. Where the answer is no, an expansion's alias of it is an error to the
//! compiler, which has told the user by then, and says nothing of what follows from it.

use super::{Exact, StateNotExtractor, Stored};
use crate::session::state::SessionState;

/// What was asked holds. A question that does not compile is no constant, and a type with it is an error.
pub struct Known<const ANSWER: bool>;

/// The type `T` itself.
pub trait As<T> {
    /// It.
    type Type;
}

impl<T, const ANSWER: bool> As<T> for Known<ANSWER> {
    type Type = T;
}

/// Asks whether it is session state.
pub const fn is_state<T: SessionState>() -> bool {
    true
}

/// The same of a state that is called as an extractor is.
pub const fn is_no_extractor<T: StateNotExtractor>() -> bool {
    true
}

/// Asks of a state's field whether it can be stored.
pub const fn is_stored<T: Stored>() -> bool {
    true
}

/// Asks of a value's field whether it is exact.
pub const fn is_exact<T: Exact>() -> bool {
    true
}
