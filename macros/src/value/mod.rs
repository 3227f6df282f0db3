//! `#[session_value]`: model -> codegen, as for a state.

mod codegen;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::{around::Around, diagnostics::Diagnostics};

/// The expansion of `#[session_value]`; `krate` is the path of the runtime.
pub(crate) fn expand(
    arguments: TokenStream,
    item: TokenStream,
    around: &Around,
    krate: &TokenStream,
) -> TokenStream {
    let diagnostics = Diagnostics::new();
    if !arguments.is_empty() {
        diagnostics.report(arguments, "`#[session_value]` takes no arguments: write it without parentheses");
    }
    let value = if let Ok(input) = syn::parse2::<DeriveInput>(item.clone()) {
        model::check(input, around, &diagnostics)
    } else {
        diagnostics.report(&item, "`#[session_value]` goes on a struct or an enum");
        None
    };
    let errors = diagnostics.finish().err().unwrap_or_default();
    // A value with mistakes stands in for itself, so that no other error follows.
    let expansion = value.map_or(item, |value| codegen::expand(&value, errors.is_empty(), krate));
    [errors, expansion].into_iter().collect()
}
