//! The names that a field has in JSON, as serde's attributes say; and whether they say more than that.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, LitStr, Meta};

use crate::tokens;

/// One argument of a `#[serde(..)]`.
pub(crate) struct Said {
    pub(crate) tokens: TokenStream,
    pub(crate) name: String,
    /// The text behind its `=`.
    pub(crate) text: Option<String>,
    /// It is its name alone.
    pub(crate) is_bare: bool,
}

/// All that an attribute says to serde.
pub(crate) fn said(attribute: &Attribute) -> Vec<Said> {
    let Meta::List(list) = &attribute.meta else { return Vec::new() };
    if !attribute.path().is_ident("serde") {
        return Vec::new();
    }
    tokens::split_at_commas(list.tokens.clone()).into_iter().map(Said::read).collect()
}

impl Said {
    fn read(tokens: TokenStream) -> Self {
        let parts: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let name = parts.first().map(ToString::to_string).unwrap_or_default();
        let text = match parts.as_slice() {
            [_, TokenTree::Punct(is), literal] if is.as_char() == '=' => {
                syn::parse2::<LitStr>(literal.to_token_stream()).ok().map(|text| text.value())
            }
            _ => None,
        };
        Self { tokens, name, text, is_bare: parts.len() == 1 }
    }
}

/// A field's name under serde's `rename_all`; `None` for a rule that is not known here.
pub(crate) fn renamed(field: &str, rule: &str) -> Option<String> {
    let pascal = || -> String {
        let words = field.split('_').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        });
        words.collect()
    };
    Some(match rule {
        "lowercase" | "snake_case" => field.to_owned(),
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => field.to_ascii_uppercase(),
        "PascalCase" => pascal(),
        "camelCase" => {
            let name = pascal();
            let mut letters = name.chars();
            let first = letters.next().map(|letter| letter.to_ascii_lowercase());
            first.into_iter().chain(letters).collect()
        }
        "kebab-case" => field.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => field.to_ascii_uppercase().replace('_', "-"),
        _ => return None,
    })
}

/// A field's name as it is written in Rust, without the mark of a raw one.
pub(crate) fn of(name: &Ident) -> String {
    syn::ext::IdentExt::unraw(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_renamed_as_serde_does() {
        for (rule, name) in [
            ("lowercase", "two_words"),
            ("UPPERCASE", "TWO_WORDS"),
            ("PascalCase", "TwoWords"),
            ("camelCase", "twoWords"),
            ("snake_case", "two_words"),
            ("SCREAMING_SNAKE_CASE", "TWO_WORDS"),
            ("kebab-case", "two-words"),
            ("SCREAMING-KEBAB-CASE", "TWO-WORDS"),
        ] {
            assert_eq!(renamed("two_words", rule).as_deref(), Some(name), "{rule}");
        }
        assert_eq!(renamed("_private", "camelCase").as_deref(), Some("private"));
        assert!(renamed("a", "Title Case").is_none());
    }
}
