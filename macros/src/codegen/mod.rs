//! From a checked handler to its expansion, which cannot fail.
//!
//! Every expansion is `begin`, the user's function, `finish`: behaviour lives in the runtime's `__private`.

mod asks;
mod connect_handler;
mod connect_middleware;
mod expansion;
mod http_handler;
mod socket_handler;
mod stand_in;

use proc_macro2::TokenStream;

use self::expansion::Expansion;
pub(crate) use self::stand_in::{stand_in, stand_in_for_half_typed};
use crate::model::{Handler, Kind};

/// The expansion of a handler attribute; `krate` is the path of the runtime.
pub(crate) fn expand(kind: Kind, handler: &Handler, krate: &TokenStream) -> TokenStream {
    let expansion = Expansion::new(kind, handler, krate);
    match kind {
        Kind::Http => http_handler::expand(&expansion),
        Kind::Socket => socket_handler::expand(&expansion),
        Kind::Connect => connect_handler::expand(&expansion),
        Kind::ConnectMiddleware => connect_middleware::expand(&expansion),
    }
}
