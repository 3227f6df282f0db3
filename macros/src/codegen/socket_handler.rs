//! `#[socket_handler]`: `src/tests/expansions/socket_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::{Expansion, expansion::extractor_ident};
use crate::tokens;

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    let states = expansion.states_type();
    let acknowledges_itself = acknowledges_itself(expansion);
    let returned = returned(expansion);
    let finish = finish(expansion, &quote_spanned!(site=> socket));
    let call = quote_spanned!(site=> #private::socket::Call<#states>);
    let body = quote_spanned! {site=>
        let __acknowledges_itself = #acknowledges_itself;
        let ::core::option::Option::Some(mut __held) = #private::socket::begin(__call, __acknowledges_itself).await else {
            return
        };
        let __returned = #returned;
        #finish;
    };
    expansion.wrapper(&call, &TokenStream::new(), &body)
}

/// Whether the user's function answers by itself: the types of its extractors say so.
fn acknowledges_itself(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let private = &expansion.private;
    let probes: Vec<_> = expansion
        .handler
        .extractors()
        .enumerate()
        .map(|(index, extractor)| {
            let conditions = &extractor.conditions;
            let name = extractor_ident(index);
            quote_spanned!(site=> #(#conditions)* #private::socket::Argument(&#name).is_ack_sender())
        })
        .collect();
    if probes.is_empty() {
        return quote_spanned!(site=> false);
    }
    quote_spanned! {site=>
        {
            #[allow(unused_imports)]
            use #private::socket::{TakesAck as _, TakesNoAck as _};
            let __are_ack_senders: &[bool] = &[#(#probes),*];
            __are_ack_senders.contains(&true)
        }
    }
}

/// Runs the user's function and splits what it returns, by type, into a value and an error.
pub(super) fn returned(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    expansion.run(
        &quote_spanned! {site=>
            #[allow(unused_imports)]
            use #private::{SplitResult as _, SplitValue as _};
        },
        &quote_spanned!(site=> #private::Split::new(__result).split()),
    )
}

/// The call of a module's `finish`, which demands a type that can be sent: at the type that the user returns.
pub(super) fn finish(expansion: &Expansion<'_>, module: &TokenStream) -> TokenStream {
    let site = expansion.return_site();
    let (private, module) = (expansion.private_at(site), tokens::respanned(module, site));
    quote_spanned!(site=> #private::#module::finish(__held, __returned).await)
}
