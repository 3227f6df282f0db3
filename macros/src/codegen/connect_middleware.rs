//! `#[connect_middleware]`: `src/tests/expansions/connect_middleware.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Parts;

pub(super) fn expand(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { private, .. } = parts;
    let (held, states, user_call) = (parts.held_types(), parts.state_pattern(), parts.user_call());
    let verdict = verdict(parts);
    let call = quote_spanned!(site=> #private::connect_middleware::Call<#held>);
    let output = quote_spanned!(site=> -> ::core::result::Result<(), #private::connect_middleware::Refusal>);
    let body = quote_spanned! {site=>
        let mut __held = match #private::connect_middleware::begin(__call).await {
            ::core::result::Result::Ok(__held) => __held,
            ::core::result::Result::Err(__refusal) => return ::core::result::Result::Err(__refusal),
        };
        let __verdict = {
            let (__scope, #states) = __held.lend();
            let __result = __scope.run(#user_call).await;
            #verdict
        };
        #private::connect_middleware::finish(__held, __verdict).await
    };
    parts.wrapper(&call, &output, &body)
}

/// The user's error as text: made while the states are still lent, because `impl Display` captures them.
fn verdict(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let value = quote_spanned!(parts.return_site()=> __value);
    let in_words = quote_spanned! {parts.return_site()=>
        ::core::result::Result::<(), _>::map_err(#value, |__error| ::std::string::ToString::to_string(&__error))
    };
    quote_spanned! {site=>
        match __result {
            ::core::result::Result::Ok(#value) => ::core::result::Result::Ok(#in_words),
            ::core::result::Result::Err(__panicked) => ::core::result::Result::Err(__panicked),
        }
    }
}
