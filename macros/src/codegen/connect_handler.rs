//! `#[connect_handler]`: `src/tests/expansions/connect_handler.rs` shows what it expands to.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::GenericParam;

use super::{Expansion, expansion::site_of, socket_handler};
use crate::model::Role;

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { handler, private, .. } = expansion;
    let (vis, name, marker) = (&handler.vis, &handler.signature.ident, marker(expansion));
    // At the user's name, so that the compiler's words about the item point there.
    let constant = quote_spanned! {site_of(name)=>
        #vis const #name: #private::connect::Annotated<#marker> = #private::connect::Annotated::new();
    };
    let on_constant = handler.attributes_with(&[Role::Condition, Role::Item, Role::Lint]);
    let on_all = handler.attributes_with(&[Role::Condition]);
    let on_function =
        handler.attributes_with(&[Role::Lint, Role::Expectation, Role::Instrument, Role::Other]);
    let (known, distinct) = (expansion.known_states(), expansion.distinct_keys());
    let arguments = arguments(expansion);
    let user_function = expansion.user_function(&on_function);
    let implementation = implementation(expansion);
    quote_spanned! {site=>
        #(#on_constant)*
        #[allow(non_upper_case_globals)]
        #constant

        #(#on_all)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations, clippy::exhaustive_enums)]
        #vis enum #marker {}

        #(#on_all)*
        const _: () = {
            #known
            #arguments
            #distinct
            #user_function
            #implementation
        };
    }
}

/// The type that stands for the function in its constant's type: its name alone would be taken from what else the user
/// calls so.
fn marker(expansion: &Expansion<'_>) -> Ident {
    format_ident!("__connect_handler_{}", expansion.handler.signature.ident, span = Span::mixed_site())
}

fn implementation(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { handler, private, .. } = expansion;
    let marker = marker(expansion);
    let path = expansion.handler_path();
    let (adapter, adapter_parameter) = adapter(expansion);
    let predicates = predicates(expansion, &adapter);
    let states = expansion.known_states_type();
    let types = argument_names(expansion);
    let names = (0..handler.extractors().count()).map(|index| expansion.extractor_ident(index));
    let asks = asks(expansion, &adapter_parameter);
    let returned = socket_handler::returned(expansion);
    let finish = socket_handler::finish(expansion, &quote_spanned!(site=> connect));
    quote_spanned! {site=>
        #asks

        // A deprecated handler still has its implementation, and the user may bound the adapter as well.
        #[allow(deprecated, trivial_bounds)]
        #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
        impl<#adapter_parameter> #private::connect::ConnectFunction<#adapter> for #marker
        where
            #predicates
        {
            const NAME: &'static ::core::primitive::str = #path;
            type States = #states;
            type Arguments = (#(#types,)*);

            async fn run(
                mut __held: #private::connect::Held<Self::States, #private::connect::Connected<#adapter>>,
                (#(#names,)*): Self::Arguments,
            ) {
                let __returned = #returned;
                #finish;
            }
        }
    }
}

/// Aliases of the types of the extractors: each is written twice, and asked for once. A generic one has none.
fn arguments(expansion: &Expansion<'_>) -> TokenStream {
    let names = argument_names(expansion).into_iter();
    let aliases =
        names.zip(expansion.argument_types()).enumerate().filter(|(index, _)| expansion.is_doubtful(*index));
    aliases.map(|(_, (name, ty))| quote_spanned!(Span::mixed_site()=> type #name = #ty;)).collect()
}

fn argument_names(expansion: &Expansion<'_>) -> Vec<TokenStream> {
    let names = expansion.handler.extractors().enumerate().map(|(index, extractor)| {
        if expansion.is_doubtful(index) {
            format_ident!("__Argument{index}", span = Span::mixed_site()).into_token_stream()
        } else {
            extractor.ty.to_token_stream()
        }
    });
    names.collect()
}

/// Outside of the implementation, which takes it for granted that its arguments are extracted.
fn asks(expansion: &Expansion<'_>, adapter: &TokenStream) -> Option<TokenStream> {
    let asks = expansion.asks()?;
    let users =
        expansion.handler.signature.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    Some(quote_spanned! {Span::mixed_site()=>
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        fn __asks<#adapter>() where #(#users,)* {
            #asks
        }
    })
}

/// The adapter's name and its declaration: the user's own type parameter, or a fresh one.
fn adapter(expansion: &Expansion<'_>) -> (Ident, TokenStream) {
    let site = Span::mixed_site();
    let private = &expansion.private;
    let users = expansion.handler.signature.generics.params.iter().find_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(parameter),
        _ => None,
    });
    let Some(users) = users else {
        let adapter = format_ident!("__A", span = site);
        let declaration = quote_spanned!(site=> #adapter: #private::connect::Adapter);
        return (adapter, declaration);
    };
    let (attributes, name, bounds) = (&users.attrs, &users.ident, users.bounds.iter());
    let declaration = quote_spanned! {site=>
        #(#attributes)* #name: #(#bounds +)* #private::connect::Adapter
    };
    (name.clone(), declaration)
}

fn predicates(expansion: &Expansion<'_>, adapter: &Ident) -> TokenStream {
    let users =
        expansion.handler.signature.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let states = expansion.state_predicates();
    let extractors = expansion.handler.extractors().zip(argument_names(expansion)).map(|(extractor, ty)| {
        let site = site_of(&extractor.ty);
        let private = expansion.private_at(site);
        quote_spanned!(site=> #ty: #private::connect::FromConnectParts<#adapter>)
    });
    quote_spanned!(Span::mixed_site()=> #(#users,)* #(#states,)* #(#extractors,)*)
}
