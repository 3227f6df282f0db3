//! Tests of what needs no runtime: which mistakes are reported, and what an expansion looks like.

mod expansions;
mod handler_mistakes;
mod state_mistakes;
mod value_mistakes;

use proc_macro2::{Literal, TokenStream, TokenTree};

use crate::{around::Around, model::Kind};

fn tokens(source: &str) -> TokenStream {
    source.parse().expect("a test is written in Rust")
}

/// What a handler attribute makes of this source.
fn handler(kind: Kind, arguments: &str, item: &str) -> TokenStream {
    crate::expand_handler(kind, tokens(arguments), tokens(item), &Around::default(), &krate())
}

/// What `#[session_state]` makes of this source.
fn session_state(arguments: &str, item: &str) -> TokenStream {
    crate::state::expand(tokens(arguments), tokens(item), &Around::default(), &krate())
}

/// What `#[session_value]` makes of this source.
fn session_value(arguments: &str, item: &str) -> TokenStream {
    crate::value::expand(tokens(arguments), tokens(item), &Around::default(), &krate())
}

/// The path of the runtime where a user has renamed it to `session`.
fn krate() -> TokenStream {
    tokens("::session")
}

/// The messages of the `compile_error!`s in an expansion.
fn messages(expansion: &TokenStream) -> Vec<String> {
    let tokens: Vec<_> = expansion.clone().into_iter().collect();
    let errors = tokens.windows(3).filter_map(|window| match window {
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Group(message)]
            if name == "compile_error" =>
        {
            Some(message.stream().into_iter().filter_map(text).collect())
        }
        _ => None,
    });
    errors.collect()
}

fn text(token: TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    syn::parse2::<syn::LitStr>(TokenTree::Literal(Literal::clone(&literal)).into())
        .ok()
        .map(|text| text.value())
}

fn assert_compiles_as_items(expansion: &TokenStream) {
    assert_eq!(messages(expansion), Vec::<String>::new());
    syn::parse2::<syn::File>(expansion.clone()).expect("an expansion is a list of items");
}
