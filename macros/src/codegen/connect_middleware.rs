//! `#[connect_middleware]`

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Parts;
use crate::model::Role;

// Input:
//
//     #[connect_middleware(session)]
//     async fn only_users(session: &User) -> Result<(), NotLoggedIn> { .. }
//
// Output (paths shortened):
//
//     async fn only_users(__call: MiddlewareCall<(Read<User>,)>) -> Result<(), Refusal> {
//         async fn only_users(session: &User) -> Result<(), NotLoggedIn> { .. }
//         let mut __held = match begin(__call).await { Ok(held) => held, Err(no) => return Err(no) };
//         let __scope = __held.scope();
//         let __verdict = {
//             let (__state0,) = __held.states();
//             let __result = __scope.run(only_users(__state0.get())).await;
//             // what was returned, its error as text
//         };
//         finish_middleware(__held, __verdict).await
//     }
pub(super) fn expand(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { handler, private, .. } = parts;
    let (vis, name) = (&handler.vis, &handler.signature.ident);
    let attributes = parts.outer_attributes();
    let (generics, where_clause) = (parts.wrapper_generics(), parts.wrapper_where());
    let held = parts.held_types();
    let parameters = parts.wrapper_parameters();
    let distinct = parts.distinct_keys();
    let user_function = parts.user_function(&handler.attributes_for(&[Role::Instrument]));
    let states = parts.state_pattern();
    let call = parts.user_call();
    let verdict = verdict(parts);
    quote_spanned! {site=>
        #(#attributes)*
        #[allow(trivial_bounds, private_bounds)]
        #vis async fn #name #generics(
            __call: #private::connect::MiddlewareCall<#held>,
            #parameters
        ) -> ::core::result::Result<(), #private::connect::Refusal> #where_clause {
            #distinct
            #user_function
            let mut __held = match #private::connect::begin(__call).await {
                ::core::result::Result::Ok(__held) => __held,
                ::core::result::Result::Err(__refusal) => return ::core::result::Result::Err(__refusal),
            };
            let __scope = __held.scope();
            let __verdict = {
                let #states = __held.states();
                let __result = __scope.run(#call).await;
                #verdict
            };
            #private::connect::finish_middleware(__held, __verdict).await
        }
    }
}

/// The user's error as text: made while the states are still lent, because `impl Display` captures them.
fn verdict(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let value = quote_spanned!(parts.return_site()=> __value);
    let in_words = quote_spanned! {parts.return_site()=>
        ::core::result::Result::map_err(#value, |__error| ::std::format!("{__error}"))
    };
    quote_spanned! {site=>
        match __result {
            ::core::result::Result::Ok(#value) => ::core::result::Result::Ok(#in_words),
            ::core::result::Result::Err(__panicked) => ::core::result::Result::Err(__panicked),
        }
    }
}
