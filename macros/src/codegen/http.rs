//! `#[http_handler]`: `src/tests/expansions/http_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Parts;

pub(super) fn expand(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { private, .. } = parts;
    let (held, answer) = (parts.held_types(), answer(parts));
    let call = quote_spanned!(site=> #private::http::Call<#held>);
    let output = quote_spanned!(site=> -> #private::http::Response);
    let body = quote_spanned! {site=>
        let mut __held = match #private::http::begin(__call).await {
            ::core::result::Result::Ok(__held) => __held,
            ::core::result::Result::Err(__response) => return __response,
        };
        let __answer = #answer;
        #private::http::finish(__held, __answer).await
    };
    parts.wrapper(&call, &output, &body)
}

/// Whether the user's function returned an `Err`, and the response: made while the states are lent, because
/// `impl IntoResponse` captures them.
fn answer(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { private, .. } = parts;
    let into_response = {
        let (site, private) = (parts.return_site(), parts.private_at(parts.return_site()));
        quote_spanned!(site=> |__value| #private::http::IntoResponse::into_response(__value))
    };
    parts.run(
        &quote_spanned! {site=>
            #[allow(unused_imports)]
            use #private::{ShapeOfResult as _, ShapeOfValue as _};
        },
        &quote_spanned!(site=> (#private::Shape(&__result).is_err(), __result.map(#into_response))),
    )
}
