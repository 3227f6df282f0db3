//! Reading bare tokens, where a parser would give up at the first surprise.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};

/// The tokens between top-level commas; a trailing comma is allowed.
pub(crate) fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        if is_punct(&token, ',') {
            parts.push(TokenStream::new());
        } else if let Some(part) = parts.last_mut() {
            part.extend([token]);
        }
    }
    // A trailing comma and an empty list begin no part.
    if parts.last().is_some_and(TokenStream::is_empty) {
        parts.pop();
    }
    parts
}

/// The one identifier that these tokens are.
pub(crate) fn single_ident(tokens: &TokenStream) -> Option<Ident> {
    let mut tokens = tokens.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(ident)), None) => Some(ident),
        _ => None,
    }
}

/// The segments of the path with which these tokens begin.
pub(crate) fn leading_path(tokens: &TokenStream) -> Vec<Ident> {
    let mut segments = Vec::new();
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(ident) => segments.push(ident),
            token if is_punct(&token, ':') => {}
            _ => break,
        }
    }
    segments
}

/// These tokens with another span.
pub(crate) fn respanned(tokens: &TokenStream, site: Span) -> TokenStream {
    let respanned = tokens.clone().into_iter().map(|mut token| {
        token.set_span(site);
        token
    });
    respanned.collect()
}

/// Whether an identifier (or the name of a lifetime) occurs anywhere in these tokens.
pub(crate) fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether a reference or a lifetime occurs anywhere in these tokens, `'static` aside.
pub(crate) fn contain_borrow(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Group(group) => contain_borrow(group.stream()),
            token if is_punct(&token, '&') => !tokens.peek().is_some_and(|next| is_punct(next, '\'')),
            token if is_punct(&token, '\'') => {
                !matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static")
            }
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}
