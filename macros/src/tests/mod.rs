//! Tests of what needs no runtime: which mistakes are reported, and what an expansion looks like.

mod expansion;
mod mistakes;
mod state;

use proc_macro2::{Literal, TokenStream, TokenTree};

use crate::model::Kind;

fn tokens(source: &str) -> TokenStream {
    source.parse().expect("a test is written in Rust")
}

/// What a handler attribute makes of this source.
fn handler(kind: Kind, arguments: &str, item: &str) -> TokenStream {
    crate::handler(kind, tokens(arguments), tokens(item))
}

/// What `#[session_state]` makes of this source.
fn session_state(arguments: &str, item: &str) -> TokenStream {
    crate::state::expand(tokens(arguments), tokens(item), &tokens("::socketioxide_session"))
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

/// Source without the spaces, which depend on how tokens are printed.
fn squeezed(source: &(impl ToString + ?Sized)) -> String {
    source.to_string().split_whitespace().collect()
}

fn assert_mentions(expansion: &TokenStream, wanted: &str) {
    let (text, wanted) = (squeezed(expansion), squeezed(wanted));
    assert!(text.contains(&wanted), "no `{wanted}` in\n{text}");
}

fn assert_compiles_as_items(expansion: &TokenStream) {
    assert_eq!(messages(expansion), Vec::<String>::new());
    syn::parse2::<syn::File>(expansion.clone()).expect("an expansion is a list of items");
}
