//! From a checked value to its expansion, which cannot fail. `src/tests/expansions/session_value.rs` shows what it expands
//! to.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
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
    let is_generic = !input.generics.params.is_empty();
    let known: Vec<Vec<TokenStream>> = shapes
        .iter()
        .enumerate()
        .map(|(number, shape)| {
            shape
                .fields
                .iter()
                .enumerate()
                .map(|(index, field)| known_type(number, index, field, is_generic))
                .collect()
        })
        .collect();
    let aliases = (compares && !is_generic).then(|| known_fields(shapes, &known, krate));
    let arms = shapes.iter().zip(&known).map(|(shape, known)| arm(shape, known, compares, krate));
    // What is asked comes first, so that it is the first that is heard.
    quote_spanned! {site=>
        const _: () = {
            #aliases
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
        };
        #clone
        #item
    }
}

/// An alias of each field's type, in which it is asked whether it is exact, as of a state's whether they can be stored.
fn known_fields(shapes: &[Shape], known: &[Vec<TokenStream>], krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let fields = shapes.iter().zip(known).flat_map(|(shape, known)| {
        shape.fields.iter().zip(known).map(move |(field, known)| (&shape.conditions, field, known))
    });
    let aliases = fields.filter(|(_, field, _)| !names_itself(field)).map(
        |(of_variant, Field { ty, conditions, .. }, known)| {
            let at_type = ty.span().resolved_at(site);
            let krate = tokens::respanned(krate, at_type);
            let private = quote_spanned!(at_type=> #krate::__private);
            quote_spanned! {at_type=>
                #(#of_variant)*
                #(#conditions)*
                type #known = <#private::Known<{ #private::is_exact::<#ty>() }> as #private::As<#ty>>::Type;
            }
        },
    );
    aliases.collect()
}

/// The alias of a field's type. One that names the value by `Self` has none, nor one that may name a parameter of the value.
fn known_type(number: usize, index: usize, field: &Field, is_generic: bool) -> TokenStream {
    if is_generic || names_itself(field) {
        return field.ty.to_token_stream();
    }
    format_ident!("__Field{number}_{index}", span = Span::mixed_site()).into_token_stream()
}

fn names_itself(field: &Field) -> bool {
    tokens::mentions(&field.ty.to_token_stream(), &Ident::new("Self", Span::call_site()))
}

/// Two of one variant are the same if their fields are.
fn arm(shape: &Shape, known: &[TokenStream], compares: bool, krate: &TokenStream) -> TokenStream {
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
    let pairs = fields.iter().zip(known).zip(ours.iter().zip(&theirs)).filter(|_| compares);
    let comparisons = pairs.map(|((Field { ty, conditions, .. }, known), (this, that))| {
        // At the field's type, so that one that is not exact is reported there.
        let at_type = ty.span().resolved_at(site);
        let krate = tokens::respanned(krate, at_type);
        let same = quote_spanned!(at_type=> <#known as #krate::__private::Exact>::is_same);
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
