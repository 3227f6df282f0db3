//! What `#[session_state]` reports: every mistake, each with what to write instead.

use super::*;

#[track_caller]
fn assert_mistakes(arguments: &str, item: &str, expected: &[&str]) {
    let expansion = session_state(arguments, item);
    assert_eq!(messages(&expansion), expected, "#[session_state({arguments})] {item}");
}

#[test]
fn arguments() {
    let user = "struct User { name: String }";
    for (arguments, message) in [
        ("key = \"\"", "a key has at least one character: write `key = \"user\"`"),
        (
            "key = \"socketioxide-session.id\"",
            "keys that begin with `socketioxide-session` are reserved: write another one",
        ),
        ("key = \"a\", key = \"b\"", "`key` is given twice: keep one of them"),
        ("key", "`key` needs a value: write `key = \"user\"`"),
        ("\"user\"", "expected the name of an argument: write `key = \"user\"`"),
        ("key = 3", "expected string literal: write `key = \"user\"`"),
        (
            "name = \"user\"",
            "`name` is no argument of `#[session_state]`: it takes `key = \"..\"`, `emit = \"..\"` and \
             `on_undecodable = \"default\"`",
        ),
        (
            "on_undecodable = \"skip\"",
            "write `on_undecodable = \"default\"`: each field that does not decode begins with its default",
        ),
        ("emit", "`emit` needs a value: write `emit = \"user\"`"),
        ("emit = \"\"", "an event has a name: write `emit = \"user\"`"),
        (
            "emit = \"disconnect\"",
            "clients hear `disconnect` for another reason: write another event, as `emit = \"user\"`",
        ),
        ("emit = \"a\", emit = \"b\"", "`emit` is given twice: keep one of them"),
        ("on_undecodable", "`on_undecodable` needs a value: write `on_undecodable = \"default\"`"),
    ] {
        assert_mistakes(arguments, user, &[message]);
    }
}

const SAYS_NOTHING: &str = "`#[session]` gives a field its first value, or keeps it on the server: write \
                            `#[session(default = ..)]` or `#[session(server_only)]`";

#[test]
fn what_is_kept_on_the_server() {
    let of = |attribute: &str| format!("struct User {{ {attribute} secret: u32, name: String }}");
    assert_mistakes(
        "",
        &of("#[session(server_only)]"),
        &[
            "`server_only` keeps a field out of what is pushed, and nothing of this state is pushed: take it away, or write \
           `#[session_state(emit = \"..\")]`",
        ],
    );
    assert_mistakes(
        "emit = \"user\"",
        &of("#[session(server_only, server_only)]"),
        &["`server_only` is given twice: keep one of them"],
    );
    for hides in ["flatten", "rename_all = \"Title Case\""] {
        let at = if hides == "flatten" {
            "struct User { #[serde(flatten)]"
        } else {
            "#[serde(rename_all = \"Title Case\")] struct User {"
        };
        let item = format!("{at} #[session(server_only)] secret: u32 }}");
        let message = format!(
            "what is kept on the server is known by its name, and `#[serde({hides})]` hides under which names fields are \
             stored: take one of the two away"
        );
        assert_mistakes("emit = \"user\"", &item, &[&message]);
    }
    for leaves in
        ["with = \"hex\"", "rename = \"s\"", "alias = \"s\"", "skip_serializing_if = \"f\"", "default"]
    {
        let item = format!("struct User {{ #[session(server_only)] #[serde({leaves})] secret: u32 }}");
        assert_mistakes("emit = \"user\"", &item, &[]);
    }
}

#[test]
fn fields() {
    for (attribute, message) in [
        ("#[session(default = 1, default = 2)]", "`default` is given twice: keep one of them"),
        ("#[session(default = 1)] #[session(default = 2)]", "`default` is given twice: keep one of them"),
        (
            "#[session(skip)]",
            "`skip` is no argument of `#[session]`: it takes `default = ..` and `server_only`, and what is serde's goes \
             into `#[serde(..)]`",
        ),
        ("#[session(default)]", "`default` needs a value: write `default = 1`"),
        ("#[session]", SAYS_NOTHING),
        ("#[session()]", SAYS_NOTHING),
        (
            "#[cfg_attr(unix, session(default = 1))]",
            "a field's default is there whatever the configuration: write `#[session(default = ..)]` and \
             put the condition into the expression",
        ),
    ] {
        assert_mistakes("", &format!("struct User {{ {attribute} visits: u32 }}"), &[message]);
    }
    assert_eq!(messages(&session_state("a, b", "struct User { #[session(c, d)] e: u8 }")).len(), 4);
}

#[test]
fn reshapes() {
    for (item, what) in [
        ("struct User;", "a unit struct"),
        ("struct User(u8);", "a tuple struct"),
        ("enum User { A }", "an enum"),
        ("union User { a: u8 }", "a union"),
    ] {
        let message = format!(
            "session state is stored field by field, under the fields' names, and `User` is {what}: write \
             `struct User {{ name: Type, .. }}`"
        );
        assert_mistakes("", item, &[&message]);
    }
    assert_mistakes(
        "",
        "struct User<T> { a: T }",
        &["a session state is one concrete type under one key: write `struct User` without parameters, and \
           a struct for each type that is stored"],
    );
    assert_mistakes("", "fn user() {}", &["`#[session_state]` goes on a struct with named fields"]);
}

#[test]
fn a_field_that_begins_anew_is_stored_by_itself() {
    let hidden = "with `on_undecodable` each field is read by itself, from under a name of its own and in the form of its \
                  type: this hides them; take one of the two away";
    for item in [
        "struct User { #[serde(flatten)] rest: Rest }",
        "struct User { #[serde(with = \"other\")] name: Name }",
        "struct User { #[serde(skip_serializing_if = \"String::is_empty\")] name: String }",
        "#[cfg_attr(unix, serde(rename = \"u\"))] struct User { name: String }",
        "struct User { #[cfg_attr(unix, serde(rename = \"u\"))] name: String }",
    ] {
        assert_mistakes("on_undecodable = \"default\"", item, &[hidden]);
    }
    for item in [
        "struct User { #[serde(rename = \"n\", alias = \"nick\")] name: String }",
        "#[serde(rename_all = \"camelCase\", default)] struct User { #[serde(default)] first_name: String }",
    ] {
        assert_mistakes("on_undecodable = \"default\"", item, &[]);
    }
}

#[test]
fn what_a_state_cannot_honour_of_serdes() {
    let skipped = "a field of a session state is stored, or what a handler writes to `n` is lost: take the attribute away, or \
                   keep `n` outside of the state (`#[session(server_only)]` keeps it from being pushed)";
    let whole = "a state's first value is that of its fields: write `#[session(default = ..)]` above the fields, and take this \
                 away";
    for (item, message) in [
        ("struct User { #[serde(skip)] n: u8 }", skipped),
        ("struct User { #[serde(skip_serializing)] n: u8 }", skipped),
        ("struct User { #[serde(skip_deserializing)] n: u8 }", skipped),
        (
            "struct User { #[serde(default = \"five\")] n: u8 }",
            "what `n` begins with is one value, stored or not: write `#[session(default = five())]`",
        ),
        ("#[serde(default = \"user\")] struct User { n: u8 }", whole),
        (
            "struct User { a: u8, #[serde(rename = \"a\")] b: u8 }",
            "`a` is stored under `a` already: give `b` another name",
        ),
        (
            "struct User { a: u8, #[serde(alias = \"a\")] b: u8 }",
            "`a` is stored under `a` already: give `b` another name",
        ),
        ("struct User { n: &'static str }", "a state owns its fields: write `String`"),
        ("struct User { n: Option<&'static [u8]> }", "a state owns its fields: write `Vec<u8>`"),
        (
            "#[session_state] struct User { n: u8 }",
            "a struct is one state: write `#[session_state]` once, with all its arguments",
        ),
        (
            "struct User { #[default = 5] n: u8 }",
            "what a field begins with is given by `#[session(default = ..)]`",
        ),
    ] {
        assert_mistakes("", item, &[message]);
        assert_mistakes("on_undecodable = \"default\"", item, &[message]);
    }
    for form in ["transparent", "from = \"Old\"", "into = \"Old\"", "try_from = \"Old\"", "tag = \"kind\""] {
        let expansion = session_state("", &format!("#[serde({form})] struct User {{ n: u8 }}"));
        let messages = messages(&expansion);
        assert!(
            messages.len() == 1 && messages[0].starts_with("a state is stored field by field"),
            "{messages:?}"
        );
    }
}

#[test]
fn a_half_typed_struct_is_a_state_of_the_fields_that_it_has() {
    let expansion =
        session_state("", "struct User { name: Option<String>, map: HashMap<String, u32>, vis, }")
            .to_string();
    assert!(expansion.contains("map : HashMap < String , u32 >"), "{expansion}");
    assert!(expansion.contains("SessionState for User"), "{expansion}");
}

/// What is reported of the struct `User` with this above it and beside it, and what stands in for it.
fn given(above: &str, beside: &str) -> (Vec<String>, String) {
    let item = "struct User { name: String }";
    let around =
        Around::attribute_in(&format!("{above}#[session_state] {item} {beside}"), "#[session_state]");
    let expansion = crate::state::expand(tokens(""), tokens(item), &around, &krate());
    (messages(&expansion), expansion.to_string())
}

#[test]
fn what_is_given_elsewhere() {
    let (messages, stand_in) = given("#[derive(Default, Serialize)]\n", "");
    assert_eq!(
        messages,
        [
            "`#[derive(Default, Serialize)]` is above `#[session_state]`, which cannot see it and derives the same: write it \
          below, as `#[session_state]` and then `#[derive(..)]`"
        ]
    );
    assert!(!stand_in.contains(":: Default for User"), "{stand_in}");
    assert!(!stand_in.contains("serde :: Serialize"), "{stand_in}");
    assert!(stand_in.contains("serde :: Deserialize"), "{stand_in}");

    let (messages, stand_in) = given("", "impl Default for User { }");
    assert_eq!(
        messages,
        [
            "`#[session_state]` implements `Default` for `User`: take your `impl Default for User` away; `#[session(default = \
          ..)]` above a field says what it begins with"
        ]
    );
    assert!(!stand_in.contains(":: Default for User"), "{stand_in}");
    assert!(stand_in.contains("SessionState for User"), "{stand_in}");

    let (messages, _) = given("#[derive(Debug)]\n", "impl Display for User { }");
    assert_eq!(messages, Vec::<String>::new());
}
