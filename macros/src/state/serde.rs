//! What the user says to serde of a state, and what of it a state cannot honour: it is stored field by field, each field is
//! written, and what is missing begins with its first value.

use syn::{Attribute, DeriveInput, Ident};

use super::{model::Field, names};
use crate::diagnostics::Diagnostics;

/// Reports what cannot be honoured. Whether there is nothing of that.
pub(super) fn check(input: &DeriveInput, fields: &[Field], diagnostics: &Diagnostics) -> bool {
    let before = diagnostics.number();
    check_all(input, fields, diagnostics);
    diagnostics.number() == before
}

fn check_all(input: &DeriveInput, fields: &[Field], diagnostics: &Diagnostics) {
    for said in input.attrs.iter().flat_map(names::said) {
        let name = said.name.as_str();
        if let Some(advice) = of_the_state(name, said.is_bare) {
            diagnostics.report(said.tokens, advice);
        }
    }
    let syn::Data::Struct(data) = &input.data else { return };
    for (field, written) in fields.iter().zip(&data.fields) {
        check_field(field, &written.attrs, diagnostics);
    }
    check_names(fields, data.fields.iter().map(|field| field.attrs.as_slice()), diagnostics);
}

fn of_the_state(name: &str, is_bare: bool) -> Option<String> {
    match name {
        "default" if !is_bare => Some(String::from(
            "a state's first value is that of its fields: write `#[session(default = ..)]` above the fields, and take this away",
        )),
        "transparent" | "into" | "from" | "try_from" | "tag" | "untagged" | "content" | "remote" => {
            Some(format!(
                "a state is stored field by field, as an object, and `{name}` would store it in another form: take it away; a field \
             may be of a type that has it"
            ))
        }
        _ => None,
    }
}

fn check_field(field: &Field, attributes: &[Attribute], diagnostics: &Diagnostics) {
    let name = &field.name;
    for said in attributes.iter().flat_map(names::said) {
        match said.name.as_str() {
            "default" if !said.is_bare => {
                let call = said.text.as_deref().map_or_else(|| String::from(".."), |path| format!("{path}()"));
                diagnostics.report(
                    said.tokens,
                    format_args!("what `{name}` begins with is one value, stored or not: write `#[session(default = {call})]`"),
                );
            }
            "skip" | "skip_serializing" | "skip_deserializing" => diagnostics.report(
                said.tokens,
                format_args!(
                    "a field of a session state is stored, or what a handler writes to `{name}` is lost: take the attribute \
                     away, or keep `{name}` outside of the state (`#[session(server_only)]` keeps it from being pushed)"
                ),
            ),
            _ => {}
        }
    }
}

/// Two fields under one name are one value.
fn check_names<'a>(
    fields: &[Field],
    attributes: impl Iterator<Item = &'a [Attribute]>,
    diagnostics: &Diagnostics,
) {
    let mut taken: Vec<(&str, &Ident)> = Vec::new();
    // Fields under their own names first: a name that is given is the mistake.
    let mut given = Vec::new();
    for (field, attributes) in fields.iter().zip(attributes).filter(|(field, _)| field.conditions.is_empty())
    {
        let own = names::of(&field.name);
        for name in &field.names {
            if *name == own {
                taken.push((name, &field.name));
            } else {
                given.push((name, field, attributes));
            }
        }
    }
    for (name, field, attributes) in given {
        if let Some((_, other)) = taken.iter().find(|(taken, other)| *taken == name && **other != field.name)
        {
            let said = attributes.iter().flat_map(names::said).find(|said| said.text.as_ref() == Some(name));
            let tokens =
                said.map_or_else(|| quote::ToTokens::to_token_stream(&field.name), |said| said.tokens);
            diagnostics.report(
                tokens,
                format_args!(
                    "`{other}` is stored under `{name}` already: give `{}` another name",
                    field.name
                ),
            );
        }
        taken.push((name, &field.name));
    }
}
