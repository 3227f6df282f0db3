//! From a checked value to its expansion, which cannot fail. `src/tests/expansions/session_value.rs` shows what it expands
//! to.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{GenericParam, spanned::Spanned};

use super::model::{Field, Shape, Value};
use crate::{
    state::{codegen::with_serde, model::Serde},
    tokens,
};

/// The value's own item, with what it needs and the user did not write; without `compares` it stands in for one with
/// mistakes.
pub(super) fn expand(value: &Value, compares: bool, krate: &TokenStream) -> TokenStream {
    let Value { input, shapes, derives, names_serde } = value;
    let site = Span::mixed_site();
    let clone = (!derives.clone).then(|| quote_spanned!(site=> #[derive(::core::clone::Clone)]));
    let serde = Serde { default: true, krate: *names_serde, ..Serde::default() };
    let item = with_serde(input, derives, &serde, krate);
    let mut generics = input.generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(syn::parse_quote_spanned!(site=> #krate::__private::Exact));
        }
    }
    let (generics, arguments, conditions) = generics.split_for_impl();
    let name = &input.ident;
    let arms = shapes.iter().map(|shape| arm(shape, compares, krate));
    let asks = (compares && input.generics.params.is_empty()).then(|| asks(shapes, krate));
    quote_spanned! {site=>
        #asks
        #clone
        #item
        #[automatically_derived]
        #[allow(deprecated, unreachable_patterns)]
        impl #generics #krate::__private::Exact for #name #arguments #conditions {
            fn is_same(&self, __other: &Self) -> bool {
                match (self, __other) {
                    #(#arms)*
                    _ => false,
                }
            }
        }
    }
}

/// Asks of each field, at its own type, whether it is exact. Before all else, so that it is the first that is heard.
fn asks(shapes: &[Shape], krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let itself = Ident::new("Self", site);
    let fields = shapes.iter().flat_map(|shape| shape.fields.iter().map(move |field| (shape, field)));
    let fields =
        fields.filter(|(_, field)| !tokens::mentions(&quote::ToTokens::to_token_stream(&field.ty), &itself));
    let questions = fields.enumerate().map(|(number, (shape, Field { ty, conditions, .. }))| {
        let at_type = ty.span().resolved_at(site);
        let krate = tokens::respanned(krate, at_type);
        let name = format_ident!("__field{number}", span = site);
        let exact = quote_spanned!(at_type=> #ty: #krate::__private::Exact);
        let of_variant = &shape.conditions;
        quote_spanned!(site=> #(#of_variant)* #(#conditions)* fn #name() where #exact {})
    });
    let questions: Vec<_> = questions.collect();
    if questions.is_empty() {
        return TokenStream::new();
    }
    quote_spanned! {site=>
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        const _: () = {
            #(#questions)*
        };
    }
}

/// Two of one variant are the same if their fields are.
fn arm(shape: &Shape, compares: bool, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let Shape { variant, conditions, fields } = shape;
    let path = variant
        .as_ref()
        .map_or_else(|| quote_spanned!(site=> Self), |variant| quote_spanned!(site=> Self::#variant));
    let named = |prefix: &str| -> Vec<Ident> {
        (0..fields.len()).map(|number| format_ident!("__{prefix}{number}", span = site)).collect()
    };
    let (ours, theirs) = (named("this"), named("that"));
    let pattern = |names: &[Ident]| {
        let fields = fields.iter().zip(names).map(
            |(Field { member, conditions, .. }, name)| quote_spanned!(site=> #(#conditions)* #member: #name),
        );
        quote_spanned!(site=> #path { #(#fields),* })
    };
    let (this, that) = (pattern(&ours), pattern(&theirs));
    let pairs = fields.iter().zip(ours.iter().zip(&theirs)).filter(|_| compares);
    let comparisons = pairs.map(|(Field { ty, conditions, .. }, (this, that))| {
        // At the field's type, so that one that is not exact is reported there.
        let at_type = ty.span().resolved_at(site);
        let krate = tokens::respanned(krate, at_type);
        let same = quote_spanned!(at_type=> <#ty as #krate::__private::Exact>::is_same);
        quote_spanned! {site=>
            #(#conditions)*
            if !#same(#this, #that) {
                return false;
            }
        }
    });
    let unused = (!compares).then(|| quote_spanned!(site=> #[allow(unused_variables)]));
    quote_spanned! {site=>
        #(#conditions)*
        #unused
        (#this, #that) => {
            #(#comparisons)*
            true
        }
    }
}
