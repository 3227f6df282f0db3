//! `#[connect_middleware]`: `src/tests/expansions/connect_middleware.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Expansion;

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    let (states, verdict) = (expansion.states_type(), verdict(expansion));
    let call = quote_spanned!(site=> #private::connect_middleware::Call<#states>);
    let output = quote_spanned!(site=> -> ::core::result::Result<(), #private::connect_middleware::Refusal>);
    let begun = expansion.call_ident();
    let known = expansion.known_states_type();
    let name = expansion.handler_path();
    let body = quote_spanned! {site=>
        let mut __held = match #private::connect_middleware::begin::<#known>(#begun, #name).await {
            ::core::result::Result::Ok(__held) => __held,
            ::core::result::Result::Err(__refusal) => return ::core::result::Result::Err(__refusal),
        };
        let __verdict = #verdict;
        #private::connect_middleware::finish(__held, __verdict).await
    };
    expansion.wrapper(&expansion.call_and_extractors(&call), &output, &body)
}

/// What the user's function returned, its error as text: made while the states are lent, because `impl Display`
/// captures them.
fn verdict(expansion: &Expansion<'_>) -> TokenStream {
    let (site, private) = (expansion.return_site(), expansion.private_at(expansion.return_site()));
    let verdict = quote_spanned!(site=> |__value| #private::connect_middleware::verdict(__value));
    expansion.run(&TokenStream::new(), &quote_spanned!(Span::mixed_site()=> __result.map(#verdict)))
}
