//! `#[socket_handler]`: `src/tests/expansions/socket_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::{Parts, parts::argument_ident};
use crate::tokens;

pub(super) fn expand(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { private, .. } = parts;
    let held = parts.held_types();
    let acknowledges_itself = acknowledges_itself(parts);
    let returned = returned(parts);
    let finish = finish(parts, &quote_spanned!(site=> socket));
    let call = quote_spanned!(site=> #private::socket::Call<#held>);
    let body = quote_spanned! {site=>
        let __acknowledges_itself = #acknowledges_itself;
        let ::core::option::Option::Some(mut __held) = #private::socket::begin(__call, __acknowledges_itself).await else {
            return
        };
        let __returned = #returned;
        #finish;
    };
    parts.wrapper(&call, &TokenStream::new(), &body)
}

/// Whether the user's function answers by itself, decided by the arguments' types.
fn acknowledges_itself(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let private = &parts.private;
    let arguments: Vec<_> = parts
        .handler
        .arguments()
        .enumerate()
        .map(|(index, argument)| {
            let conditions = &argument.conditions;
            let name = argument_ident(index);
            quote_spanned!(site=> #(#conditions)* #private::socket::Argument(&#name).is_ack_sender())
        })
        .collect();
    if arguments.is_empty() {
        return quote_spanned!(site=> false);
    }
    quote_spanned! {site=>
        {
            #[allow(unused_imports)]
            use #private::socket::{TakesAck as _, TakesNoAck as _};
            let __are_ack_senders: &[bool] = &[#(#arguments),*];
            __are_ack_senders.contains(&true)
        }
    }
}

/// Runs the user's function and splits what it returns, by type, into a value and an error.
pub(super) fn returned(parts: &Parts<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Parts { private, .. } = parts;
    parts.run(
        &quote_spanned! {site=>
            #[allow(unused_imports)]
            use #private::{SplitResult as _, SplitValue as _};
        },
        &quote_spanned!(site=> #private::Split::new(__result).split()),
    )
}

/// The call of the `finish` of this module, which asks for what can be sent: at the type that the user
/// returns.
pub(super) fn finish(parts: &Parts<'_>, module: &TokenStream) -> TokenStream {
    let site = parts.return_site();
    let (private, module) = (parts.private_at(site), tokens::placed(module, site));
    quote_spanned!(site=> #private::#module::finish(__held, __returned).await)
}
