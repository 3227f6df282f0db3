//! What an expansion holds between `begin` and `finish`, whatever the attribute.

use super::{access::States, running_call::RunningCall, scope::Scope};

/// A call that has its states, and what its end needs beside it.
pub struct Held<P, C = ()> {
    pub(crate) call: Box<RunningCall<P>>,
    pub(crate) context: C,
}

impl<P: States, C> Held<P, C> {
    /// What the user's function runs in, and its parameters that are session state.
    pub fn lend(&mut self) -> (&mut Scope, P::Lent<'_>) {
        (&mut self.call.scope, self.call.states.lend())
    }
}
