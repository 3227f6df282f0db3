//! `#[session_state]`: args -> model -> codegen, as for the handlers.

mod args;
pub(crate) mod codegen;
mod key;
pub(crate) mod model;
pub(crate) mod names;
mod recover;
mod serde;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::model::Checked;
use crate::{around::Around, diagnostics::Diagnostics};

/// The expansion of `#[session_state]`; `krate` is the path of the runtime.
pub(crate) fn expand(
    arguments: TokenStream,
    item: TokenStream,
    around: &Around,
    krate: &TokenStream,
) -> TokenStream {
    let diagnostics = Diagnostics::new();
    let arguments = args::state(arguments, &diagnostics);
    let checked = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(input) => Some(model::check(input, arguments, around, &diagnostics)),
        Err(error) => {
            if starts_data(&item) {
                diagnostics.push(error);
            } else {
                diagnostics.report(&item, "`#[session_state]` goes on a struct with named fields");
            }
            recover::half_typed(&item).map(model::refused)
        }
    };
    let errors = match (diagnostics.finish(), &checked) {
        (Ok(()), Some(Checked::State(state))) => return codegen::expand(state, krate),
        (result, _) => result.err().unwrap_or_default(),
    };
    let stand_in = match &checked {
        Some(Checked::State(state)) => codegen::state_stand_in(state, krate),
        Some(Checked::Refused(refused)) => codegen::refused_stand_in(refused, krate),
        None => item,
    };
    [errors, stand_in].into_iter().collect()
}

/// Whether an item that does not parse was meant as a struct, an enum or a union.
fn starts_data(item: &TokenStream) -> bool {
    item.clone().into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "struct" || ident == "enum" || ident == "union",
        _ => false,
    })
}
