//! `#[socket_handler]`: `src/tests/expansions/socket_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::{Expansion, expansion::extractor_ident};
use crate::{model::Extractor, tokens};

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    let states = expansion.states_type();
    let acknowledges_itself = acknowledges_itself(expansion);
    let returned = returned(expansion);
    let finish = finish(expansion, &quote_spanned!(site=> socket));
    let (types, arguments) = (argument_types(expansion), arguments(expansion));
    let event = quote_spanned!(site=> __event: #private::socket::Event<#states, fn(#types)>);
    let name = expansion.handler.signature.ident.to_string();
    let body = quote_spanned! {site=>
        let (__call, __arguments) = match __event.extracted() {
            ::core::result::Result::Ok(__extracted) => __extracted,
            ::core::result::Result::Err(__refused) => return __refused.tell(#name).await,
        };
        #arguments
        let __acknowledges_itself = #acknowledges_itself;
        let ::core::option::Option::Some(mut __held) = #private::socket::begin(__call, __acknowledges_itself, #name).await else {
            return
        };
        let __returned = #returned;
        #finish;
    };
    expansion.wrapper(&event, &TokenStream::new(), &body)
}

/// The types of the extractors, as parameters of a function: they can be under a `#[cfg]` there.
fn argument_types(expansion: &Expansion<'_>) -> TokenStream {
    let types = expansion
        .handler
        .extractors()
        .map(|Extractor { conditions, ty }| quote_spanned!(Span::mixed_site()=> #(#conditions)* #ty));
    quote_spanned!(Span::mixed_site()=> #(#types),*)
}

/// Takes the arguments apart, each under its `#[cfg]`.
fn arguments(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let each = expansion.handler.extractors().enumerate().map(|(index, Extractor { conditions, .. })| {
        let name = extractor_ident(index);
        quote_spanned!(site=> #(#conditions)* let (#name, __arguments) = __arguments;)
    });
    quote_spanned! {site=>
        #(#each)*
        let () = __arguments;
    }
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
