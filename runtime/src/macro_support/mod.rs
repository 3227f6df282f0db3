//! What the macros' expansions name, and the probes that tell types apart. It uses every room and holds no rule of its
//! own. Not for users: it changes without notice.

pub use serde;

pub use crate::{
    call::{
        access::{Maybe, Read, Write, distinct},
        returned::{Shape, ShapeOfResult, ShapeOfValue, Split, SplitResult, SplitValue},
    },
    session::{
        diff::Differences,
        exact::{ByExact, ByNothing, CloneExact, CloneNothing, Copied, Exact, Exactness, NotExact, Same},
        state::{Lives, Reading},
    },
};

/// For `#[http_handler]`.
pub mod http {
    pub use crate::http::handler::{Call, IntoResponse, Response, begin, finish, respond};
}

/// For `#[socket_handler]`.
pub mod socket {
    pub use crate::socket::event::{Argument, Event, TakesAck, TakesNoAck, begin, finish};
}

/// For `#[connect_handler]`.
pub mod connect {
    pub use crate::{
        call::held::Held,
        socket::{
            connect::{Adapter, ConnectFunction, Connected, FromConnectParts, finish},
            router::Annotated,
        },
    };
}

/// For `#[connect_middleware]`.
pub mod connect_middleware {
    pub use crate::socket::middleware::{Call, Refusal, begin, finish, verdict};
}

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
