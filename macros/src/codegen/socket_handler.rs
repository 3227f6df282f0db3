//! `#[socket_handler]`: `src/tests/expansions/socket_handler.rs` shows what it expands to.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::Expansion;
use crate::{model::Extractor, tokens};

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { private, .. } = expansion;
    let states = expansion.states_type();
    let (answers, by_itself, may_return) = answers(expansion);
    let returned = returned(expansion);
    let finish = finish(expansion, &quote_spanned!(site=> socket));
    let (types, arguments) = (argument_types(expansion), arguments(expansion));
    let event = quote_spanned!(site=> __event: #private::socket::Event<#states, fn(#types)>);
    let known = expansion.known_states_type();
    let name = expansion.handler_path();
    let body = quote_spanned! {site=>
        let (__call, __arguments) = match __event.extracted() {
            ::core::result::Result::Ok(__extracted) => __extracted,
            ::core::result::Result::Err(__refused) => return __refused.tell(#name).await,
        };
        #arguments
        #answers
        let ::core::option::Option::Some(mut __held) = #private::socket::begin::<#known>(__call, #by_itself, #name).await else {
            return
        };
        let __returned = #returned;
        #may_return
        #finish;
    };
    expansion.wrapper(&event, &TokenStream::new(), &body)
}

/// The types of the extractors, as parameters of a function: they can be under a `#[cfg]` there.
fn argument_types(expansion: &Expansion<'_>) -> TokenStream {
    let types =
        expansion.handler.extractors().zip(expansion.argument_types()).map(
            |(Extractor { conditions, .. }, ty)| quote_spanned!(Span::mixed_site()=> #(#conditions)* #ty),
        );
    quote_spanned!(Span::mixed_site()=> #(#types),*)
}

/// Takes the arguments apart, each under its `#[cfg]`.
fn arguments(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let each = expansion.handler.extractors().enumerate().map(|(index, Extractor { conditions, ty, .. })| {
        let name = expansion.extractor_ident(index);
        // Of one that is an error in the signature it is not known from there.
        let known = expansion.is_doubtful(index).then(|| quote_spanned!(site=> : (#ty, _)));
        quote_spanned!(site=> #(#conditions)* let (#name, __arguments) #known = __arguments;)
    });
    quote_spanned! {site=>
        #(#each)*
        let () = __arguments;
    }
}

/// Whether the user's function answers by itself: the types of its extractors say so. What finds it out, how it is known,
/// and what demands that then nothing is returned.
fn answers(expansion: &Expansion<'_>) -> (TokenStream, TokenStream, Option<TokenStream>) {
    let site = Span::mixed_site();
    let private = &expansion.private;
    let probes = expansion.handler.extractors().enumerate().map(|(index, extractor)| {
        let conditions = &extractor.conditions;
        let name = expansion.extractor_ident(index);
        quote_spanned!(site=> #(#conditions)* let __answers = #private::socket::Argument(&#name).with(__answers);)
    });
    let probes: Vec<_> = probes.collect();
    if probes.is_empty() {
        return (TokenStream::new(), quote_spanned!(site=> false), None);
    }
    let answers = quote_spanned! {site=>
        let __answers = #private::socket::ByReturning;
        #[allow(unused_imports)]
        use #private::socket::{Answered as _, TakesAck as _, TakesNoAck as _};
        #(#probes)*
    };
    let may_return = {
        let (site, private) = (expansion.return_site(), expansion.private_at(expansion.return_site()));
        quote_spanned!(site=> #private::socket::may_return(&__answers, &__returned);)
    };
    (answers, quote_spanned!(site=> __answers.by_itself()), Some(may_return))
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
