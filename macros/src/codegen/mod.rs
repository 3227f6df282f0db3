//! From a checked handler to its expansion. Nothing in here can fail.
//!
//! Every expansion is `begin`, the user's function, `finish`: behaviour lives in the runtime's `__private`.

mod connect;
mod connect_middleware;
mod http;
mod parts;
mod socket;

use proc_macro2::TokenStream;

use self::parts::Parts;
use crate::model::{Handler, Kind};

/// The expansion of a handler attribute; `krate` is the path of the runtime.
pub(crate) fn expand(kind: Kind, handler: &Handler, krate: &TokenStream) -> TokenStream {
    let parts = Parts::new(handler, krate);
    match kind {
        Kind::Http => http::expand(&parts),
        Kind::Socket => socket::expand(&parts),
        Kind::Connect => connect::expand(&parts),
        Kind::ConnectMiddleware => connect_middleware::expand(&parts),
    }
}
