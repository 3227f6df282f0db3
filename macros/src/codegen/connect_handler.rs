//! `#[connect_handler]`: `src/tests/expansions/connect_handler.rs` shows what it expands to.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::GenericParam;

use super::{
    Expansion,
    expansion::{extractor_ident, site_of},
    socket_handler,
};
use crate::model::Role;

pub(super) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let handler = expansion.handler;
    let (vis, name) = (&handler.vis, &handler.signature.ident);
    // At the user's name, so that the compiler's words about the item point there.
    let structure = quote_spanned!(site_of(name)=> #vis struct #name;);
    let on_struct = handler.attributes_with(&[Role::Condition, Role::Item, Role::Lint]);
    let on_both = handler.attributes_with(&[Role::Condition]);
    let on_function =
        handler.attributes_with(&[Role::Lint, Role::Expectation, Role::Instrument, Role::Other]);
    let distinct = expansion.distinct_keys();
    let user_function = expansion.user_function(&on_function);
    let implementation = implementation(expansion);
    quote_spanned! {site=>
        #(#on_struct)*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #[allow(non_camel_case_types, clippy::exhaustive_structs)]
        #structure

        #(#on_both)*
        const _: () = {
            #distinct
            #user_function
            #implementation
        };
    }
}

fn implementation(expansion: &Expansion<'_>) -> TokenStream {
    let site = Span::mixed_site();
    let Expansion { handler, private, .. } = expansion;
    let name = &handler.signature.ident;
    let (adapter, adapter_parameter) = adapter(expansion);
    let predicates = predicates(expansion, &adapter);
    let call = call(expansion, &adapter);
    let states = expansion.states_type();
    quote_spanned! {site=>
        // A deprecated handler still has its implementation, and the user may bound the adapter as well.
        #[allow(deprecated, trivial_bounds)]
        #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
        impl<#adapter_parameter> #private::connect::ConnectHandler<#adapter, #private::connect::ByAttribute>
            for #name
        where
            #predicates
        {
            #call

            fn call_middleware<'a>(
                &'a self,
                __socket: ::std::sync::Arc<#private::connect::Socket<#adapter>>,
                _: &'a ::core::option::Option<#private::connect::Value>,
            ) -> #private::connect::Prepared<'a> {
                #private::connect::prepare::<#adapter, #states>(__socket)
            }

            fn with<__M, __T>(
                self,
                __middleware: __M,
            ) -> impl #private::connect::ConnectHandler<#adapter, #private::connect::ByAttribute>
            where
                __M: #private::connect::ConnectMiddleware<#adapter, __T>
                    + ::core::marker::Send
                    + ::core::marker::Sync
                    + 'static,
                __T: ::core::marker::Send + ::core::marker::Sync + 'static,
            {
                #private::connect::Layered::<#adapter, Self, __M, __T>::new(self, __middleware)
            }
        }
    }
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
    let extractors = expansion.handler.extractors().map(|extractor| {
        let ty = &extractor.ty;
        let private = expansion.private_at(site_of(ty));
        quote_spanned!(site_of(ty)=> #ty: #private::connect::FromConnectParts<#adapter>)
    });
    quote_spanned!(Span::mixed_site()=> #(#users,)* #(#states,)* #(#extractors,)*)
}

fn call(expansion: &Expansion<'_>, adapter: &Ident) -> TokenStream {
    let site = Span::mixed_site();
    let private = &expansion.private;
    let states = expansion.states_type();
    let returned = socket_handler::returned(expansion);
    let finish = socket_handler::finish(expansion, &quote_spanned!(site=> connect));
    let extracted = expansion.handler.extractors().enumerate().map(|(index, extractor)| {
        let name = extractor_ident(index);
        let ty = &extractor.ty;
        quote_spanned! {site=>
            let #name = match <#ty as #private::connect::FromConnectParts<#adapter>>::from_connect_parts(
                &__socket,
                &__auth,
            ) {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    return #private::connect::not_extracted(__held, &__error);
                }
            };
        }
    });
    quote_spanned! {site=>
        fn call(
            &self,
            __socket: ::std::sync::Arc<#private::connect::Socket<#adapter>>,
            __auth: ::core::option::Option<#private::connect::Value>,
        ) {
            let __begun = #private::connect::begin::<#adapter, #states>(&__socket);
            let ::core::option::Option::Some(mut __held) = __begun else { return };
            #(#extracted)*
            #private::connect::start(async move {
                let __returned = #returned;
                #finish;
            });
        }
    }
}
