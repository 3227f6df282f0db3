//! What the user's file says around an attribute, and the compiler does not pass on to it. For the words of a mistake alone: what
//! is found here does not compile in any case, and nothing else is decided by it.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// The file, and where in it the attribute stands.
#[derive(Default)]
pub(crate) struct Around {
    file: String,
    at: usize,
}

/// What a type is given elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// By a derive above the attribute.
    Above,
    /// By an implementation beside the type.
    Beside,
}

impl Around {
    /// Around the attribute that is expanded. Nothing is known if it does not stand in a file as it is.
    pub(crate) fn call_site() -> Self {
        let site = proc_macro::Span::call_site();
        let file = site.local_file().and_then(|path| std::fs::read_to_string(path).ok());
        file.and_then(|file| Self::at(file, site.line(), site.column())).unwrap_or_default()
    }

    /// Around the attribute that begins at this line and column, both from 1 on.
    fn at(file: String, line: usize, column: usize) -> Option<Self> {
        let start = match line.checked_sub(2) {
            None => 0,
            Some(index) => file.match_indices('\n').nth(index)?.0 + 1,
        };
        let at = start + file.get(start..)?.char_indices().nth(column.checked_sub(1)?)?.0;
        file.get(at..)?.starts_with("#[").then_some(Self { file, at })
    }

    #[cfg(test)]
    pub(crate) fn attribute_in(file: &str, attribute: &str) -> Self {
        let at = file.find(attribute).expect("the attribute is in the file");
        Self { file: file.to_owned(), at }
    }

    /// Whether an attribute of this name stands directly above.
    pub(crate) fn stands_below(&self, name: &str) -> bool {
        self.above().any(|attribute| last_segment(attribute.split(['(', ' ']).next()) == name)
    }

    /// Where else a type is given this trait.
    pub(crate) fn given(&self, name: &Ident, implemented: &str) -> Option<Given> {
        let mut derives = self.above().filter_map(|attribute| attribute.strip_prefix("derive("));
        if derives.any(|derives| {
            derives.trim_end_matches(')').split(',').any(|path| last_segment(Some(path)) == implemented)
        }) {
            return Some(Given::Above);
        }
        self.is_implemented(&name.to_string(), implemented).then_some(Given::Beside)
    }

    /// The attributes directly above, from the bottom up, without their brackets.
    fn above(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.file.get(..self.at).unwrap_or_default();
        std::iter::from_fn(move || {
            rest = without_comments(rest);
            let start = rest.strip_suffix(']')?.rfind("#[")?;
            let attribute = rest.get(start + 2..rest.len() - 1)?;
            // A text may hold anything.
            if attribute.contains(['"', '[', ']']) {
                return None;
            }
            rest = rest.get(..start)?;
            Some(attribute.trim())
        })
    }

    /// Whether the type's own module implements the trait for it, whatever the configuration.
    fn is_implemented(&self, name: &str, implemented: &str) -> bool {
        // Most files are not taken apart.
        let may_be = self.file.contains(&format!(" for {name}")) && self.file.contains(implemented);
        let file = may_be.then(|| self.file.parse::<TokenStream>().ok()).flatten();
        file.is_some_and(|file| definitions(&file, name) == 1 && implements_beside(&file, name, implemented))
    }
}

/// A text without the comments to the end of a line that it ends with.
fn without_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_end();
        let line = text.rfind('\n').map_or(0, |end| end + 1);
        let comment = text.get(line..).and_then(|last| last.find("//")).map(|start| line + start);
        match comment.and_then(|start| text.get(..start)) {
            // Inside of a text it is none.
            Some(before) if !before.get(line..).is_some_and(|code| code.contains('"')) => text = before,
            _ => return text,
        }
    }
}

fn last_segment(path: Option<&str>) -> &str {
    path.and_then(|path| path.rsplit("::").next()).unwrap_or_default().trim()
}

/// How many structs, or enums, have this name.
fn definitions(tokens: &TokenStream, name: &str) -> usize {
    let level: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let here = (0..level.len()).filter(|index| defines(&level, *index, name)).count();
    let inside = level.iter().map(|token| match token {
        TokenTree::Group(group) => definitions(&group.stream(), name),
        _ => 0,
    });
    here + inside.sum::<usize>()
}

fn defines(level: &[TokenTree], index: usize, name: &str) -> bool {
    (is_word(level.get(index), "struct") || is_word(level.get(index), "enum"))
        && is_word(level.get(index + 1), name)
}

/// Whether one block, or the file itself, has the type and the implementation.
fn implements_beside(tokens: &TokenStream, name: &str, implemented: &str) -> bool {
    let level: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is_here = (0..level.len()).any(|index| defines(&level, index, name))
        && (0..level.len()).any(|index| implements(&level, index, name, implemented));
    is_here
        || level.iter().any(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                implements_beside(&group.stream(), name, implemented)
            }
            _ => false,
        })
}

/// Whether `impl Trait for Name` stands here, without a condition.
fn implements(level: &[TokenTree], index: usize, name: &str, implemented: &str) -> bool {
    if !is_word(level.get(index), "impl") || is_conditional(level.get(..index).unwrap_or_default()) {
        return false;
    }
    let head = level.get(index + 1..).unwrap_or_default();
    let Some(end) = head.iter().position(|token| is_word(Some(token), "for")) else { return false };
    let names_trait = path_of(head.get(..end).unwrap_or_default()).is_some_and(|last| last == implemented);
    let is_whole = matches!(head.get(end + 2), Some(TokenTree::Group(_)));
    names_trait && is_word(head.get(end + 1), name) && is_whole
}

/// The last word of a path, outside of `<..>`.
fn path_of(tokens: &[TokenTree]) -> Option<String> {
    let (mut depth, mut last) = (0_u32, None);
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth = depth.saturating_sub(1),
            TokenTree::Ident(word) if depth == 0 => last = Some(word.to_string()),
            // `!Trait`, `{`: no implementation.
            TokenTree::Punct(punct) if punct.as_char() == '!' => return None,
            TokenTree::Group(_) => return None,
            _ => {}
        }
    }
    last
}

/// Whether a `#[cfg(..)]` is among the attributes at the end of these tokens.
fn is_conditional(mut before: &[TokenTree]) -> bool {
    while let [rest @ .., TokenTree::Punct(hash), TokenTree::Group(attribute)] = before {
        if hash.as_char() != '#' {
            return false;
        }
        let first = attribute.stream().into_iter().next();
        if first.is_some_and(|first| first.to_string().starts_with("cfg")) {
            return true;
        }
        before = rest;
    }
    false
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Ident {
        Ident::new("User", proc_macro2::Span::call_site())
    }

    fn given(file: &str) -> Option<Given> {
        Around::attribute_in(file, "#[session_state]").given(&name(), "Default")
    }

    #[test]
    fn a_place_is_a_line_and_a_column() {
        let file = "use a;\n  é #[session_state]\nstruct User;";
        let around = Around::at(file.to_owned(), 2, 5).expect("it is there");
        assert!(file[around.at..].starts_with("#[session_state]"));
        assert!(Around::at(file.to_owned(), 2, 4).is_none());
        assert!(Around::at(file.to_owned(), 9, 1).is_none());
        assert!(Around::at("#[a]".to_owned(), 1, 1).is_some());
    }

    #[test]
    fn derives_directly_above_are_seen() {
        for above in [
            "#[derive(Default)]",
            "#[derive(Debug, std::default::Default)]\n// Why.\n#[allow(dead_code)]\n",
            "#[derive(Clone, Default,)] // Why.\n    /// Of a user.",
        ] {
            assert!(
                given(&format!("{above} #[session_state] struct User;")) == Some(Given::Above),
                "{above}"
            );
        }
        for above in [
            "#[derive(Debug)]",
            "#[derive(Default)] struct Other;",
            "#[cfg_attr(x, derive(Default))]",
            "#[doc = \"#[derive(Default)]\"]",
            "// #[derive(Default)]",
        ] {
            assert!(given(&format!("{above}\n#[session_state] struct User;")).is_none(), "{above}");
        }
    }

    #[test]
    fn implementations_beside_the_type_are_seen() {
        for beside in [
            "impl Default for User { }",
            "impl std::default::Default for User {}",
            "#[allow(x)] impl Default for User {}",
        ] {
            let file = format!("mod a {{ #[session_state] pub struct User {{ }} {beside} }}");
            assert!(given(&file) == Some(Given::Beside), "{beside}");
        }
        for elsewhere in [
            "mod b { impl Default for User {} }",
            "#[cfg(test)] impl Default for User {}",
            "impl Default for Users {}",
            "impl Default for User<u8> {}",
            "impl Other<Default> for User {}",
            "impl !Default for User {}",
            "struct User; impl Default for User {}",
            "const TEXT: &str = \"impl Default for User {}\";",
        ] {
            let file = format!("#[session_state] struct User {{}}\n{elsewhere}");
            assert!(given(&file).is_none(), "{elsewhere}");
        }
    }

    #[test]
    fn attributes_above_are_named() {
        let around = Around::attribute_in("#[axum::debug_handler]\n#[http_handler]", "#[http");
        assert!(around.stands_below("debug_handler"));
        assert!(!around.stands_below("instrument"));
        let around = Around::attribute_in("#[debug_handler(state = App)] #[http_handler]", "#[http");
        assert!(around.stands_below("debug_handler"));
    }
}
