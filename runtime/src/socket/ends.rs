//! The disconnect handler of a namespace, and which states it has: they are kept for when it runs after the session's end.

use std::{
    any::type_name,
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use socketioxide::{
    adapter::Adapter,
    handler::DisconnectHandler,
    socket::{DisconnectReason, Socket},
};

use super::event::{Event, states_asked_for};

/// The keys of states.
type States = &'static [&'static str];

/// A disconnect handler, whatever its arguments.
pub(super) trait EndHandler<A: Adapter>: Send + Sync {
    fn call(&self, socket: Arc<Socket<A>>, reason: DisconnectReason, defer: fn(Arc<Socket<A>>));

    /// The keys of the states that it has. `socket`: any one.
    fn states(&self, socket: &Arc<Socket<A>>) -> States;
}

/// A disconnect handler whose arguments are forgotten.
pub(super) struct Ends<H, T> {
    handler: H,
    states: OnceLock<States>,
    arguments: PhantomData<fn() -> T>,
}

impl<H, T> Ends<H, T> {
    pub(super) fn new(handler: H) -> Self {
        Self { handler, states: OnceLock::new(), arguments: PhantomData }
    }
}

impl<A: Adapter, H: DisconnectHandler<A, T>, T> EndHandler<A> for Ends<H, T> {
    fn call(&self, socket: Arc<Socket<A>>, reason: DisconnectReason, defer: fn(Arc<Socket<A>>)) {
        self.handler.call_with_defer(socket, reason, defer);
    }

    fn states(&self, socket: &Arc<Socket<A>>) -> States {
        self.states.get_or_init(|| {
            // One of others would be called.
            if !takes_event::<T>() {
                return &[];
            }
            let ask = || self.handler.call(Arc::clone(socket), DisconnectReason::ServerNSDisconnect);
            states_asked_for(ask)
        })
    }
}

/// Whether the one argument of a handler is an [`Event`], as under an attribute. Rust has no other question for a type whose
/// parameters are not known; both names come from the same compiler.
fn takes_event<T>() -> bool {
    let event = type_name::<Event<(), fn()>>();
    let event = event.split('<').next().unwrap_or(event);
    type_name::<T>().strip_prefix('(').is_some_and(|arguments| arguments.starts_with(event))
}

#[cfg(test)]
mod tests {
    use socketioxide::extract::SocketRef;

    use super::*;

    #[test]
    fn only_what_an_attribute_makes_takes_an_event() {
        assert!(takes_event::<(Event<(), fn()>,)>());
        assert!(takes_event::<(Event<(), fn(SocketRef, DisconnectReason)>,)>());
        assert!(!takes_event::<()>());
        assert!(!takes_event::<(SocketRef,)>());
        assert!(!takes_event::<(SocketRef, Event<(), fn()>)>());
        assert!(!takes_event::<(Option<Event<(), fn()>>,)>());
    }
}
