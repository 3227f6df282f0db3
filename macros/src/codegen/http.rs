//! `#[http_handler]`

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Parts;

// Input:
//
//     #[http_handler(session)]
//     async fn login(session: &mut User, Form(form): Form<Login>) -> Redirect { .. }
//
// Output (paths shortened):
//
//     async fn login(__call: Call<(Write<User>,)>, __arg0: Form<Login>) -> Response {
//         async fn login(session: &mut User, Form(form): Form<Login>) -> Redirect { .. }
//         let mut __held = match begin(__call).await { Ok(held) => held, Err(response) => return response };
//         let __answer = {
//             let (__scope, (__state0,)) = __held.lend();
//             let __result = __scope.run(login(__state0.get(), __arg0)).await;
//             // what was returned as a response, and whether it was an `Err`
//         };
//         finish(__held, __answer).await
//     }
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
