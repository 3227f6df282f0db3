//! What `#[session_value]` reports: every mistake, each with what to write instead.

use super::*;

#[track_caller]
fn assert_mistakes(arguments: &str, item: &str, expected: &[&str]) {
    let expansion = session_value(arguments, item);
    assert_eq!(messages(&expansion), expected, "#[session_value({arguments})] {item}");
}

fn other_form(name: &str) -> String {
    format!(
        "with `{name}` it is stored in another form than that of its fields, of which something may be lost: take it away, \
         or `#[session_value]`"
    )
}

#[test]
fn what_it_goes_on() {
    assert_mistakes("", "struct Point { x: f64, y: f64 }", &[]);
    assert_mistakes("", "struct Pair<A, B>(A, B);", &[]);
    assert_mistakes("", "struct Unit;", &[]);
    assert_mistakes("", "enum Shape { Unit, New(u8), Named { a: u8 } }", &[]);
    assert_mistakes(
        "",
        "union Bits { a: u8 }",
        &["`#[session_value]` goes on a struct or an enum, for serde stores no union like `Bits`"],
    );
    assert_mistakes("", "fn value() {}", &["`#[session_value]` goes on a struct or an enum"]);
    assert_mistakes(
        "exact",
        "struct Unit;",
        &["`#[session_value]` takes no arguments: write it without parentheses"],
    );
}

#[test]
fn what_is_stored_in_another_form() {
    for (item, name) in [
        ("#[serde(tag = \"kind\")] enum A { B { c: u8 } }", "tag"),
        ("#[serde(untagged)] enum A { B(u8) }", "untagged"),
        ("#[serde(into = \"Other\")] struct A(u8);", "into"),
        ("enum A { #[serde(skip)] B }", "skip"),
        ("enum A { #[serde(other)] B }", "other"),
        ("struct A { #[serde(flatten)] b: B }", "flatten"),
        (
            "struct A { #[serde(skip_serializing_if = \"Option::is_none\")] b: Option<u8> }",
            "skip_serializing_if",
        ),
        ("struct A(#[serde(with = \"b\")] u8);", "with"),
    ] {
        assert_mistakes("", item, &[&other_form(name)]);
    }
    assert_mistakes(
        "",
        "struct A { #[cfg_attr(unix, serde(skip))] b: u8 }",
        &["what is said to serde on a condition is not looked at: take it away, or `#[session_value]`"],
    );
    for item in [
        "#[serde(rename_all = \"camelCase\", deny_unknown_fields)] struct A { #[serde(default, alias = \"c\")] b: u8 }",
        "enum A { #[serde(rename = \"b\")] B }",
        "#[serde(transparent)] struct A(u8);",
    ] {
        assert_mistakes("", item, &[]);
    }
}

#[test]
fn attributes_of_states() {
    let of_states = "`#[session(..)]` is for the fields of a `#[session_state]`; what a value begins with is said there, by \
                     `#[session(default = ..)]` above the field that holds it, or by `#[derive(Default)]` above the value";
    for (item, message) in [
        ("#[session_value] struct Point { x: f64 }", "a type is one value: write `#[session_value]` once"),
        (
            "#[session_state] struct Point { x: f64 }",
            "a struct is a state, or a value in one: write `#[session_state]` or `#[session_value]`",
        ),
        ("#[session(default = 1)] struct Point { x: f64 }", of_states),
        ("struct Point { #[session(default = 1.0)] x: f64 }", of_states),
        ("enum Shape { New(#[session(default = 1)] u8) }", of_states),
        ("struct Name<'a> { text: &'a str }", "a value owns its fields: write `String`"),
    ] {
        assert_mistakes("", item, &[message]);
    }
}

#[test]
fn what_is_given_elsewhere() {
    let file = "#[derive(Clone)]\n#[session_value] struct Point; impl Serialize for Point { }";
    let around = Around::attribute_in(file, "#[session_value]");
    let expansion = crate::value::expand(tokens(""), tokens("struct Point;"), &around, &krate());
    assert_eq!(
        messages(&expansion),
        [
            "`#[session_value]` implements `Serialize` for `Point`: take your `impl Serialize for Point` away; `#[serde(with = \
             \"..\")]` above a field says how it is stored",
            "`#[derive(Clone)]` is above `#[session_value]`, which cannot see it and derives the same: write it below, as \
             `#[session_value]` and then `#[derive(..)]`",
        ]
    );
}
