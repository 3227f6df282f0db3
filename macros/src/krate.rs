//! The path to the runtime crate, under whatever name the user gave it.

use proc_macro_crate::FoundCrate;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// The absolute path of the runtime crate.
pub(crate) fn path() -> TokenStream {
    let name = match proc_macro_crate::crate_name("socketioxide-session") {
        Ok(FoundCrate::Name(name)) => name,
        // The package's own examples, tests and documentation use the name from outside, and the library has
        // `extern crate self as socketioxide_session`. Without a manifest, the usual name is the best guess.
        Ok(FoundCrate::Itself) | Err(_) => String::from("socketioxide_session"),
    };
    let site = Span::mixed_site();
    let name = Ident::new(&name, site);
    quote_spanned!(site=> ::#name)
}
