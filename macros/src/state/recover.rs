//! What there is of a struct that does not parse, as while it is typed: with it as a stand-in no other error follows.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, Field, parse::Parser};

use crate::tokens;

/// The struct with the fields that parse.
pub(super) fn half_typed(item: &TokenStream) -> Option<DeriveInput> {
    let mut head = TokenStream::new();
    for token in item.clone() {
        if let TokenTree::Group(group) = &token
            && group.delimiter() == Delimiter::Brace
        {
            let mut body = proc_macro2::Group::new(Delimiter::Brace, fields(&group.stream()));
            body.set_span(group.span());
            head.extend([TokenTree::Group(body)]);
            return syn::parse2(head).ok();
        }
        head.extend([token]);
    }
    None
}

fn fields(body: &TokenStream) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut parts = tokens::split_at_commas(body.clone()).into_iter().peekable();
    while let Some(mut part) = parts.next() {
        // A comma may stand inside of `HashMap<String, u32>`.
        while Field::parse_named.parse2(part.clone()).is_err() {
            let Some(next) = parts.peek() else { break };
            if Field::parse_named.parse2(next.clone()).is_ok() {
                break;
            }
            syn::token::Comma::default().to_tokens(&mut part);
            part.extend(next.clone());
            parts.next();
        }
        if let Ok(mut field) = Field::parse_named.parse2(part) {
            field.attrs.clear();
            field.to_tokens(&mut kept);
            syn::token::Comma::default().to_tokens(&mut kept);
        }
    }
    kept
}
