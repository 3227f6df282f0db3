//! `#[http_handler]`: `src/tests/expansions/http_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Expansion;

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    let (states, answer) = (expansion.states_type(), answer(expansion));
    let call = quote_spanned!(site=> #private::http::Call<#states>);
    let output = quote_spanned!(site=> -> #private::http::Response);
    let begun = expansion.call_ident();
    let known = expansion.known_states_type();
    let name = expansion.handler_path();
    let body = quote_spanned! {site=>
        let mut __held = match #private::http::begin::<#known>(#begun, #name).await {
            ::core::result::Result::Ok(__held) => __held,
            ::core::result::Result::Err(__response) => return __response,
        };
        let __answer = #answer;
        #private::http::finish(__held, __answer).await
    };
    expansion.wrapper(&expansion.call_and_extractors(&call), &output, &body)
}

/// Whether the user's function returned an `Err`, and the response: made while the states are lent, because
/// `impl IntoResponse` captures them.
fn answer(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    let response = {
        let (site, private) = (expansion.return_site(), expansion.private_at(expansion.return_site()));
        quote_spanned!(site=> #private::http::respond(__result))
    };
    expansion.run(
        &quote_spanned! {site=>
            #[allow(unused_imports)]
            use #private::{ShapeOfResult as _, ShapeOfValue as _};
        },
        &quote_spanned!(site=> (#private::Shape(&__result).is_err(), #response)),
    )
}
