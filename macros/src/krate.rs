//! The path to the runtime crate, under whatever name the user gave it.

use proc_macro_crate::{Error, FoundCrate};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::Attribute;

use crate::diagnostics::Diagnostics;

const PACKAGE: &str = "socketioxide-session";

/// The absolute path of the runtime crate; `None` if the user's package does not depend on it.
fn path() -> Option<TokenStream> {
    let name = match proc_macro_crate::crate_name(PACKAGE) {
        Ok(FoundCrate::Name(name)) => name,
        Err(Error::CrateNotFound { .. }) => return None,
        // The package's own examples, tests and documentation use the name from outside, and the library has
        // `extern crate self as socketioxide_session`. Without a manifest, the usual name is the best guess.
        Ok(FoundCrate::Itself) | Err(_) => String::from("socketioxide_session"),
    };
    let site = Span::mixed_site();
    let name = Ident::new(&name, site);
    Some(quote_spanned!(site=> ::#name))
}

/// Expands an item with the path; without it, says what is missing.
pub(crate) fn expand_with(
    item: proc_macro::TokenStream,
    expand: impl FnOnce(TokenStream, &TokenStream) -> TokenStream,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    match path() {
        Some(krate) => expand(item, &krate),
        None => missing(item),
    }
    .into()
}

/// As through another crate that exports the attributes again.
fn missing(item: TokenStream) -> TokenStream {
    let diagnostics = Diagnostics::new();
    diagnostics.report_at(
        Span::call_site(),
        format_args!(
            "what this attribute makes names the crate `{PACKAGE}`, and this package does not depend on it: add it to the \
             dependencies in its `Cargo.toml` (`cargo add {PACKAGE}`); it is not found through another crate's `pub use`"
        ),
    );
    let errors = diagnostics.finish().err().unwrap_or_default();
    [errors, without_ours(item)].into_iter().collect()
}

/// The item without the attributes that only ours know.
fn without_ours(item: TokenStream) -> TokenStream {
    let Ok(mut input) = syn::parse2::<syn::ItemStruct>(item.clone()) else { return item };
    let is_ours = |attribute: &Attribute| attribute.path().is_ident("session");
    for field in &mut input.fields {
        field.attrs.retain(|attribute| !is_ours(attribute));
    }
    quote::ToTokens::into_token_stream(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_once() {
        let item = "struct User { #[session(default = 1)] visits: u32 }".parse().expect("it is Rust");
        let expansion = missing(item).to_string();
        assert_eq!(expansion.matches("compile_error").count(), 1, "{expansion}");
        assert!(expansion.contains("cargo add socketioxide-session"), "{expansion}");
        assert!(!expansion.contains("session (default"), "{expansion}");
    }
}
