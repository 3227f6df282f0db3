//! What `#[session_state]` reports and what it expands to.

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
        ("name = \"user\"", "`name` is no argument of `#[session_state]`: it takes `key = \"..\"`"),
    ] {
        assert_mistakes(arguments, user, &[message]);
    }
}

#[test]
fn fields() {
    for (attribute, message) in [
        ("#[session(default = 1, default = 2)]", "`default` is given twice: keep one of them"),
        ("#[session(default = 1)] #[session(default = 2)]", "`default` is given twice: keep one of them"),
        (
            "#[session(skip)]",
            "`skip` is no argument of `#[session]`: it takes `default = ..`, and what is serde's goes into \
             `#[serde(..)]`",
        ),
        ("#[session(default)]", "`default` needs a value: write `default = 1`"),
        ("#[session]", "`#[session]` gives a field its first value: write `#[session(default = ..)]`"),
        ("#[session()]", "`#[session]` gives a field its first value: write `#[session(default = ..)]`"),
        (
            "#[cfg_attr(unix, session(default = 1))]",
            "a field's default is there whatever the configuration: write `#[session(default = ..)]` and \
             put the condition into the expression",
        ),
    ] {
        let item = format!("struct User {{ {attribute} visits: u32 }}");
        assert_mistakes("", &item, &[message]);
        let expansion = squeezed(&session_state("", &item));
        assert!(expansion.contains("structUser{visits:u32}"), "our attribute goes: {expansion}");
    }
    assert_eq!(messages(&session_state("a, b", "struct User { #[session(c, d)] e: u8 }")).len(), 4);
}

#[test]
fn shapes() {
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
fn a_mistake_leaves_a_state_behind() {
    for (arguments, item) in
        [("key = 3", "struct User { a: A }"), ("", "struct User(u8);"), ("", "enum User { A }")]
    {
        let expansion = session_state(arguments, item);
        assert_mentions(&expansion, "impl ::socketioxide_session::SessionState for User");
        assert_mentions(&expansion, "impl ::core::default::Default for User");
        syn::parse2::<syn::File>(expansion).expect("a stand-in is a list of items");
    }
}

#[test]
fn derives_are_completed() {
    let ours = "#[derive(::socketioxide_session::__private::serde::Serialize, \
                ::socketioxide_session::__private::serde::Deserialize)]";
    let expansion = session_state("", "#[derive(Clone, Default)] #[derive(Default)] struct User { a: A }");
    assert_compiles_as_items(&expansion);
    assert_mentions(
        &expansion,
        &format!(
            "{ours} #[derive(Clone)] #[serde(crate = \"::socketioxide_session::__private::serde\")] \
             #[serde(default)] struct User {{ a: A }}"
        ),
    );

    let expansion =
        session_state("", "#[derive(serde::Serialize)] #[serde(default, crate = \"x\")] struct User {}");
    assert_mentions(
        &expansion,
        "#[derive(::socketioxide_session::__private::serde::Deserialize)] #[derive(serde::Serialize)] \
         #[serde(default, crate = \"x\")] struct User {}",
    );

    let expansion = session_state("", "#[derive(Serialize)] #[derive(Debug, Deserialize)] struct User {}");
    assert_mentions(
        &expansion,
        "#[derive(Serialize)] #[derive(Debug, Deserialize)] #[serde(default)] struct User {}",
    );

    let conditional = "#[cfg_attr(unix, derive(Debug, Default, Serialize))] struct User {}";
    assert_mentions(&session_state("", conditional), "#[cfg_attr(unix, derive(Debug))]");
}

#[test]
fn defaults_are_the_users() {
    let expansion = session_state(
        "key = \"account\"",
        "struct User { #[session(default = 1 + 2)] visits: u32, #[cfg(unix)] name: Option<String> }",
    );
    assert_compiles_as_items(&expansion);
    assert_mentions(
        &expansion,
        "Self { visits: 1 + 2, #[cfg(unix)] \
         name: <Option<String> as ::socketioxide_session::__private::FirstValue>::first_value(), }",
    );
    assert_mentions(
        &expansion,
        "const KEY: &'static str = \"account\"; const NAME: &'static str = \"User\";",
    );
    assert_mentions(&session_state("", "struct ShoppingCart {}"), "= \"shopping_cart\";");
}
