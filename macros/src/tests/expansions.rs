//! What each attribute expands to: whole expansions, in `expansions/<attribute>.rs`. For the sake of short lines, the
//! runtime is named `session` in them.
//!
//! Such a file is a list of cases: a comment with a title and the source, then what the attribute makes of it. To
//! add a case, write its comment and run `UPDATE_EXPANSIONS=1 cargo test -p socketioxide-session-macros expansions`,
//! which writes the expansions. Read what it changed.

use std::{env, fmt::Write as _, fs, path::Path};

use super::*;

#[test]
fn http_handler() {
    assert_expansions("http_handler");
}

#[test]
fn socket_handler() {
    assert_expansions("socket_handler");
}

#[test]
fn connect_handler() {
    assert_expansions("connect_handler");
}

#[test]
fn connect_middleware() {
    assert_expansions("connect_middleware");
}

#[test]
fn session_state() {
    assert_expansions("session_state");
}

#[test]
fn session_value() {
    assert_expansions("session_value");
}

/// Holds a file against what the attribute makes of its cases today.
#[track_caller]
fn assert_expansions(attribute: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/tests/expansions/{attribute}.rs"));
    let written = fs::read_to_string(&path).unwrap();
    let expanded = expand_again(&written);
    if env::var_os("UPDATE_EXPANSIONS").is_some() {
        fs::write(&path, expanded).unwrap();
        return;
    }
    let lines = written.lines().zip(expanded.lines()).enumerate();
    if let Some((index, (written, expanded))) = lines.into_iter().find(|(_, (a, b))| a != b) {
        panic!("{}:{}\n  written: {written}\n expanded: {expanded}", path.display(), index + 1);
    }
    assert_eq!(written, expanded, "{}: one has more lines", path.display());
}

/// A file as it is when each case has its expansion.
fn expand_again(file: &str) -> String {
    let head: Vec<_> = file.lines().take_while(|line| line.starts_with("//!")).collect();
    let mut text = head.join("\n");
    for case in cases(file) {
        let (comment, expansion) = (case.join("\n"), pretty(&expansion_of(&case)));
        write!(text, "\n\n{comment}\n\n{}", expansion.trim_end()).unwrap();
    }
    text.push('\n');
    text
}

/// The comments of a file: an expansion has none.
fn cases(file: &str) -> Vec<Vec<&str>> {
    let lines: Vec<_> = file.lines().collect();
    let is_comment = |line: &&str| *line == "//" || line.starts_with("// ");
    let comments = lines.chunk_by(|before, after| is_comment(before) == is_comment(after));
    comments.filter(|lines| lines.first().is_some_and(is_comment)).map(<[_]>::to_vec).collect()
}

/// What the attribute above a case's source makes of it. The source comes after the title, and an empty line.
fn expansion_of(case: &[&str]) -> TokenStream {
    let source: Vec<_> = case.iter().skip_while(|line| **line != "//").map(|line| &line[2..]).collect();
    let source = source.join("\n");
    let mut item = tokens(&source).into_iter().skip(1);
    let Some(TokenTree::Group(attribute)) = item.next() else { panic!("no attribute above {source}") };
    let mut attribute = attribute.stream().into_iter();
    let name = attribute.next().unwrap().to_string();
    let arguments = match attribute.next() {
        Some(TokenTree::Group(arguments)) => arguments.stream(),
        _ => TokenStream::new(),
    };
    let item = item.collect();
    match Kind::ALL.into_iter().find(|kind| kind.attribute() == name) {
        Some(kind) => crate::expand_handler(kind, arguments, item, &Around::default(), &krate()),
        None if name == "session_value" => {
            crate::value::expand(arguments, item, &Around::default(), &krate())
        }
        None => crate::state::expand(arguments, item, &Around::default(), &krate()),
    }
}

fn pretty(expansion: &TokenStream) -> String {
    let file = syn::parse2(expansion.clone()).expect("an expansion is a list of items");
    prettyplease::unparse(&file)
}
