//! The attributes on a handler, sorted by where they belong in the expansion.

use proc_macro2::{Punct, Spacing, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Meta};

use crate::tokens;

/// One attribute and what it is about.
#[derive(Clone)]
pub(crate) struct SortedAttribute {
    pub(crate) attribute: Attribute,
    pub(crate) role: Role,
}

/// What an attribute is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Decides whether the item exists.
    Condition,
    /// Speaks to those who use the item: documentation, deprecation.
    Item,
    /// Sets the level of a lint.
    Lint,
    /// Expects a lint to fire.
    Expectation,
    /// Records what the user's function does with its own parameters.
    Instrument,
    /// Anything else.
    Other,
}

/// Sorts the attributes, which keep their order. A `cfg_attr` over several attributes is split.
pub(crate) fn sort(attributes: Vec<Attribute>) -> Vec<SortedAttribute> {
    attributes
        .into_iter()
        .flat_map(split)
        .map(|attribute| SortedAttribute { role: role(&attribute.meta), attribute })
        .collect()
}

fn split(attribute: Attribute) -> Vec<Attribute> {
    let Meta::List(list) = &attribute.meta else { return vec![attribute] };
    let mut parts = tokens::split_at_commas(list.tokens.clone()).into_iter();
    let Some(predicate) = parts.next().filter(|_| attribute.path().is_ident("cfg_attr")) else {
        return vec![attribute];
    };
    let conditional = |part: TokenStream| {
        let mut list = list.clone();
        list.tokens = predicate.clone();
        Punct::new(',', Spacing::Alone).to_tokens(&mut list.tokens);
        list.tokens.extend(part);
        Attribute { meta: Meta::List(list), ..attribute.clone() }
    };
    parts.map(conditional).collect()
}

fn role(meta: &Meta) -> Role {
    role_of_tokens(&meta.to_token_stream())
}

fn role_of_tokens(meta: &TokenStream) -> Role {
    let path = tokens::leading_path(meta);
    if path.last().is_some_and(|last| last == "instrument") {
        return Role::Instrument;
    }
    let [name] = path.as_slice() else { return Role::Other };
    match name.to_string().as_str() {
        "cfg" => Role::Condition,
        "doc" | "deprecated" => Role::Item,
        "allow" | "warn" | "deny" | "forbid" => Role::Lint,
        "expect" => Role::Expectation,
        "cfg_attr" => conditional_role(meta),
        _ => Role::Other,
    }
}

/// The role of the attribute inside a `cfg_attr`.
fn conditional_role(meta: &TokenStream) -> Role {
    let arguments = meta.clone().into_iter().find_map(|token| match token {
        proc_macro2::TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    let parts = tokens::split_at_commas(arguments.unwrap_or_default());
    parts.get(1).map_or(Role::Other, role_of_tokens)
}

/// Whether an attribute makes what it stands on conditional.
pub(super) fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}
