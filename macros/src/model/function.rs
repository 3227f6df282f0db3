//! A function as written, its body unread: a slip in the body is the compiler's to report.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Signature, Token, Visibility,
    parse::{Parse, ParseStream},
};

use super::Kind;
use crate::diagnostics::Diagnostics;

/// A function as written.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Function {
    /// Reads the item below the attribute.
    pub(crate) fn read(kind: Kind, item: TokenStream, diagnostics: &Diagnostics) -> Option<Self> {
        match syn::parse2::<Item>(item) {
            Ok(Item::Function(function)) => return Some(*function),
            Ok(Item::Other(head)) => {
                let attribute = kind.attribute();
                diagnostics.report(head, format_args!("`#[{attribute}]` goes on an `async fn`"));
            }
            Err(error) => diagnostics.push(error),
        }
        None
    }
}

enum Item {
    Function(Box<Function>),
    /// Its first words, behind its attributes.
    Other(TokenStream),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if !starts_function(input) {
            let rest: TokenStream = input.parse()?;
            return Ok(Self::Other(rest.into_iter().take(2).collect()));
        }
        let signature = input.parse()?;
        let body = input.parse()?;
        Ok(Self::Function(Box::new(Function { attributes, vis, signature, body })))
    }
}

fn starts_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    // `const NAME: ..`, `unsafe impl` and `extern crate` begin like functions.
    let _ = ahead.parse::<Option<Token![const]>>();
    let _ = ahead.parse::<Option<Token![async]>>();
    let _ = ahead.parse::<Option<Token![unsafe]>>();
    let _ = ahead.parse::<Option<syn::Abi>>();
    ahead.peek(Token![fn])
}
