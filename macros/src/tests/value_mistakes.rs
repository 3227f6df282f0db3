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
