//! What the macros' expansions name, and the probes that tell types apart. It uses every room and holds no rule of its
//! own. Not for users: it changes without notice.

/// Of each parameter, whether it can be extracted.
pub mod asks;
mod fields;
mod known;
mod sent;

pub use serde;

pub use self::{
    fields::{FirstValue, Owned, StateNotExtractor, Stored},
    known::{As, Known, is_exact, is_no_extractor, is_state, is_stored},
    sent::sent,
};
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
    pub use crate::http::handler::{Call, IntoResponse, Request, Response, begin, finish, respond};
}

/// For `#[socket_handler]`.
pub mod socket {
    pub use crate::socket::event::{
        Answered, Argument, ByReturning, Event, TakesAck, TakesNoAck, begin, finish, may_return,
    };
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
