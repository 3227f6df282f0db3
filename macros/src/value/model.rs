//! A checked value: a struct or an enum that serde stores in the form of its fields, so that nothing is lost.

use proc_macro2::Ident;
use syn::{Attribute, Data, DeriveInput, Fields, Member, Type};

use crate::{
    around::Around,
    diagnostics::Diagnostics,
    state::{
        model::{Derives, check_owned, conditions, holds_conditionally, report_given, take_derives},
        names,
    },
};

/// A struct or an enum that is a value.
pub(super) struct Value {
    pub(super) input: DeriveInput,
    /// Its variants; of a struct itself, without a name.
    pub(super) shapes: Vec<Shape>,
    pub(super) derives: Derives,
    /// It names serde's crate by itself.
    pub(super) names_serde: bool,
}

/// What a variant holds, or the struct.
pub(super) struct Shape {
    pub(super) variant: Option<Ident>,
    pub(super) conditions: Vec<Attribute>,
    pub(super) fields: Vec<Field>,
}

pub(super) struct Field {
    pub(super) member: Member,
    pub(super) ty: Type,
    pub(super) conditions: Vec<Attribute>,
}

/// What may be said to serde: names, and what holds only for what is missing or unknown.
const OF_THE_TYPE: [&str; 8] = [
    "crate",
    "default",
    "deny_unknown_fields",
    "expecting",
    "rename",
    "rename_all",
    "rename_all_fields",
    "transparent",
];
const OF_A_VARIANT: [&str; 3] = ["alias", "rename", "rename_all"];
const OF_A_FIELD: [&str; 3] = ["alias", "default", "rename"];

/// `None`: of this nothing can stand in.
pub(super) fn check(mut input: DeriveInput, around: &Around, diagnostics: &Diagnostics) -> Option<Value> {
    check_attributes(&mut input, diagnostics);
    check_serde(&input.attrs, &OF_THE_TYPE, diagnostics);
    let shapes = match &input.data {
        Data::Struct(data) => {
            vec![Shape { variant: None, conditions: Vec::new(), fields: fields(&data.fields, diagnostics) }]
        }
        Data::Enum(data) => {
            let shape = |variant: &syn::Variant| {
                check_serde(&variant.attrs, &OF_A_VARIANT, diagnostics);
                Shape {
                    variant: Some(variant.ident.clone()),
                    conditions: conditions(&variant.attrs),
                    fields: fields(&variant.fields, diagnostics),
                }
            };
            data.variants.iter().map(shape).collect()
        }
        Data::Union(_) => {
            let name = &input.ident;
            diagnostics.report(
                name,
                format_args!(
                    "`#[session_value]` goes on a struct or an enum, for serde stores no union like `{name}`"
                ),
            );
            return None;
        }
    };
    let mut derives = take_derives(&mut input.attrs.clone());
    let Derives { clone, serialize, deserialize, .. } = &mut derives;
    let gives = [("Clone", clone), ("Serialize", serialize), ("Deserialize", deserialize)];
    report_given(&input.ident, "session_value", gives, around, diagnostics);
    let names_serde = input.attrs.iter().flat_map(names::said).any(|said| said.name == "crate");
    Some(Value { input, shapes, derives, names_serde })
}

/// Takes away the attributes of ours that a value does not have.
fn check_attributes(input: &mut DeriveInput, diagnostics: &Diagnostics) {
    input.attrs.retain(|attribute| {
        let message = match last_of(attribute).as_deref() {
            Some("session_value") => "a type is one value: write `#[session_value]` once",
            Some("session_state") => {
                "a struct is a state, or a value in one: write `#[session_state]` or `#[session_value]`"
            }
            Some("session") => OF_STATES,
            _ => return true,
        };
        diagnostics.report(attribute, message);
        false
    });
    let fields: Vec<&mut Fields> = match &mut input.data {
        Data::Struct(data) => vec![&mut data.fields],
        Data::Enum(data) => data.variants.iter_mut().map(|variant| &mut variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    for field in fields.into_iter().flatten() {
        field.attrs.retain(|attribute| {
            let is_ours = last_of(attribute).is_some_and(|last| last == "session");
            if is_ours {
                diagnostics.report(attribute, OF_STATES);
            }
            !is_ours
        });
    }
}

const OF_STATES: &str = "`#[session(..)]` is for the fields of a `#[session_state]`; what a value begins with is said there, by \
                         `#[session(default = ..)]` above the field that holds it, or by `#[derive(Default)]` above the value";

fn last_of(attribute: &Attribute) -> Option<String> {
    attribute.path().segments.last().map(|last| last.ident.to_string())
}

fn fields(fields: &Fields, diagnostics: &Diagnostics) -> Vec<Field> {
    let field = |(field, member): (&syn::Field, Member)| {
        check_serde(&field.attrs, &OF_A_FIELD, diagnostics);
        check_owned("a value", &field.ty, diagnostics);
        Field { member, ty: field.ty.clone(), conditions: conditions(&field.attrs) }
    };
    fields.iter().zip(fields.members()).map(field).collect()
}

/// Whether attributes say no more to serde than this.
fn check_serde(attributes: &[Attribute], allowed: &[&str], diagnostics: &Diagnostics) {
    for said in attributes.iter().flat_map(names::said) {
        if !allowed.contains(&said.name.as_str()) {
            let name = said.name;
            diagnostics.report(
                said.tokens,
                format_args!(
                    "with `{name}` it is stored in another form than that of its fields, of which something may be lost: take it \
                     away, or `#[session_value]`"
                ),
            );
        }
    }
    for attribute in attributes.iter().filter(|attribute| holds_conditionally(attribute, "serde")) {
        diagnostics.report(
            attribute,
            "what is said to serde on a condition is not looked at: take it away, or `#[session_value]`",
        );
    }
}
