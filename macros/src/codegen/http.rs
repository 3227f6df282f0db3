//! `#[http_handler]`: `src/tests/expansions/http_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Parts;

pub(super) fn expand(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { private, .. } = parts;
    let (held, states, user_call) = (parts.held_types(), parts.state_pattern(), parts.user_call());
    let answer = answer(parts);
    let call = quote_spanned!(site=> #private::http::Call<#held>);
    let output = quote_spanned!(site=> -> #private::http::Response);
    let body = quote_spanned! {site=>
        let mut __held = match #private::http::begin(__call).await {
            ::core::result::Result::Ok(__held) => __held,
            ::core::result::Result::Err(__response) => return __response,
        };
        let __answer = {
            let (__scope, #states) = __held.lend();
            let __result = __scope.run(#user_call).await;
            #answer
        };
        #private::http::finish(__held, __answer).await
    };
    parts.wrapper(&call, &output, &body)
}

/// The response and whether it was an `Err`: made while the states are still lent, because
/// `impl IntoResponse` captures them.
fn answer(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let private = &parts.private;
    let return_site = parts.return_site();
    let value = quote_spanned!(return_site=> __value);
    let into_response = {
        let private = parts.private_at(return_site);
        quote_spanned!(return_site=> #private::http::IntoResponse::into_response(#value))
    };
    quote_spanned! {site=>
        match __result {
            ::core::result::Result::Ok(#value) => {
                #[allow(unused_imports)]
                use #private::{ByShape as _, ByValue as _};
                let __is_err = #private::Shape(&#value).is_err();
                ::core::result::Result::Ok((#into_response, __is_err))
            }
            ::core::result::Result::Err(__panicked) => ::core::result::Result::Err(__panicked),
        }
    }
}
