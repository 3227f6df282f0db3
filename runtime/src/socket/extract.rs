//! What socket handlers extract: `SessionControl`, `Shared`.

use std::sync::Arc;

use socketioxide::{
    adapter::Adapter,
    handler::{FromConnectParts, FromDisconnectParts, FromMessageParts, Value},
    socket::{DisconnectReason, Socket},
};

use super::binding::{binding_of, missing};
use crate::{
    call::{
        connection::Binding, control::SessionControl, current_call::CallNumber, sessions::Sessions,
        shared::Shared,
    },
    error::Error,
    session::state::SessionState,
};

/// What can be extracted from a socket's binding, for each kind of handler alike.
trait FromBinding: Sized {
    fn from_binding(binding: &Binding) -> Self;

    fn from_socket<A: Adapter>(socket: &Socket<A>) -> Result<Self, Error> {
        let binding = binding_of(socket).ok_or_else(|| missing(socket))?;
        Ok(Self::from_binding(&binding))
    }
}

impl FromBinding for SessionControl {
    fn from_binding(binding: &Binding) -> Self {
        let live = binding.live();
        Self::of_call(CallNumber::extracting(live.id()), Arc::clone(live))
    }
}

impl FromBinding for Sessions {
    fn from_binding(binding: &Binding) -> Self {
        binding.live().all_sessions()
    }
}

impl<T: SessionState> FromBinding for Shared<T> {
    fn from_binding(binding: &Binding) -> Self {
        Self::new(Arc::clone(binding.live()))
    }
}

macro_rules! extract_from_binding {
    ($extractor:ty $(, $state:ident)?) => {
        impl<A: Adapter $(, $state: SessionState)?> FromMessageParts<A> for $extractor {
            type Error = Error;

            fn from_message_parts(s: &Arc<Socket<A>>, _: &mut Value, _: &Option<i64>) -> Result<Self, Error> {
                Self::from_socket(s)
            }
        }

        impl<A: Adapter $(, $state: SessionState)?> FromConnectParts<A> for $extractor {
            type Error = Error;

            fn from_connect_parts(s: &Arc<Socket<A>>, _: &Option<Value>) -> Result<Self, Error> {
                Self::from_socket(s)
            }
        }

        impl<A: Adapter $(, $state: SessionState)?> FromDisconnectParts<A> for $extractor {
            type Error = Error;

            fn from_disconnect_parts(s: &Arc<Socket<A>>, _: DisconnectReason) -> Result<Self, Error> {
                Self::from_socket(s)
            }
        }
    };
}

extract_from_binding!(SessionControl);
extract_from_binding!(Sessions);
extract_from_binding!(Shared<T>, T);
