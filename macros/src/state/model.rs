//! A checked session state: all that code generation needs to know.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Data, DeriveInput, Expr, Fields, LitStr, Meta, Type};

use super::{
    args::{self, Arguments, FieldArguments},
    key, names,
};
use crate::{
    around::{Around, Given},
    diagnostics::Diagnostics,
    tokens,
};

/// What the attribute stands on.
pub(super) enum Checked {
    State(State),
    /// Something that cannot be a state, without our field attributes.
    Refused(Refused),
}

/// Something that cannot be a state.
pub(super) struct Refused {
    pub(super) input: DeriveInput,
    pub(super) derives: Derives,
}

/// A struct that is session state.
pub(super) struct State {
    /// The struct without what the expansion takes over: our field attributes, `derive(Default)`.
    pub(super) input: DeriveInput,
    pub(super) key: String,
    pub(super) fields: Vec<Field>,
    pub(super) derives: Derives,
    /// It is given a `Default` elsewhere, which was reported.
    pub(super) has_default: bool,
    pub(super) serde: Serde,
    /// Each field that does not decode begins with its default.
    pub(super) begins_anew: bool,
    /// The event as which it is pushed.
    pub(super) emit: Option<LitStr>,
}

/// How a field comes to its first value.
pub(super) struct Field {
    pub(super) name: Ident,
    pub(super) ty: Type,
    pub(super) conditions: Vec<Attribute>,
    pub(super) default: Option<Expr>,
    /// Those under which it is stored, the one that is written first.
    pub(super) names: Vec<String>,
    /// The word that says that it is never pushed.
    pub(super) server_only: Option<Ident>,
}

/// What the user derives already.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a derive of its own")]
pub(crate) struct Derives {
    pub(crate) serialize: bool,
    pub(crate) deserialize: bool,
    pub(crate) default: bool,
    pub(crate) clone: bool,
}

/// What the user's `#[serde(..)]` attributes say already.
#[derive(Default)]
pub(crate) struct Serde {
    pub(crate) krate: bool,
    pub(crate) default: bool,
    /// The first that changes the form in which the struct or a field of it is stored.
    pub(crate) reshapes: Option<TokenStream>,
    /// The first by which it is not known under which name a field is stored.
    pub(crate) hides_names: Option<TokenStream>,
}

pub(super) fn check(
    mut input: DeriveInput,
    arguments: Arguments,
    around: &Around,
    diagnostics: &Diagnostics,
) -> Checked {
    check_attributes(&mut input.attrs, diagnostics);
    let named = check_shape(&input, diagnostics);
    let generic = check_generics(&input, diagnostics);
    let mut fields: Vec<Field> = match &mut input.data {
        Data::Struct(data) => {
            data.fields.iter_mut().filter_map(|field| check_field(field, diagnostics)).collect()
        }
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    if !named || generic {
        let derives = take_derives(&mut input.attrs.clone());
        return Checked::Refused(Refused { input, derives });
    }
    let key = arguments.key.map_or_else(|| key::from_name(&input.ident), |key| key.value());
    let mut derives = take_derives(&mut input.attrs);
    let has_default = check_given(&input.ident, around, &mut derives, diagnostics);
    let serde = serde(&input, &mut fields);
    let can_be_honoured = super::serde::check(&input, &fields, diagnostics);
    let begins_anew = arguments.on_undecodable.is_some();
    if let (true, Some(reshapes)) = (begins_anew && can_be_honoured, &serde.reshapes) {
        diagnostics.report(
            reshapes,
            "with `on_undecodable` each field is read by itself, from under a name of its own and in the form of its type: \
             this hides them; take one of the two away",
        );
    }
    let emit = arguments.emit;
    check_server_only(&fields, emit.as_ref(), &serde, diagnostics);
    Checked::State(State { input, key, fields, derives, has_default, serde, begins_anew, emit })
}

/// What stands in for a struct that does not parse.
pub(super) fn refused(input: DeriveInput) -> Checked {
    let derives = take_derives(&mut input.attrs.clone());
    Checked::Refused(Refused { input, derives })
}

/// Reports what the struct is given elsewhere, and the expansion would give it again. Whether it has a `Default`.
fn check_given(name: &Ident, around: &Around, derives: &mut Derives, diagnostics: &Diagnostics) -> bool {
    let Derives { serialize, deserialize, .. } = derives;
    let mut has_default = false;
    let gives = [("Default", &mut has_default), ("Serialize", serialize), ("Deserialize", deserialize)];
    report_given(name, "session_state", gives, around, diagnostics);
    has_default
}

/// Reports what a type is given elsewhere, and the attribute would give it again, unless it has been told of it; and notes that
/// it has it.
pub(crate) fn report_given<'a>(
    name: &Ident,
    attribute: &str,
    gives: impl IntoIterator<Item = (&'a str, &'a mut bool)>,
    around: &Around,
    diagnostics: &Diagnostics,
) {
    let mut above = Vec::new();
    for (implemented, has) in gives.into_iter().filter(|(_, has)| !**has) {
        match around.given(name, implemented) {
            Some(Given::Above) => above.push(implemented),
            Some(Given::Beside) => diagnostics.report(name, beside(name, attribute, implemented)),
            None => continue,
        }
        *has = true;
    }
    if !above.is_empty() {
        let above = above.join(", ");
        diagnostics.report(
            name,
            format_args!(
                "`#[derive({above})]` is above `#[{attribute}]`, which cannot see it and derives the same: write it below, as \
                 `#[{attribute}]` and then `#[derive(..)]`"
            ),
        );
    }
}

/// What to do about an implementation of the user's.
fn beside(name: &Ident, attribute: &str, implemented: &str) -> String {
    let instead = match implemented {
        "Default" => "`#[session(default = ..)]` above a field says what it begins with",
        "Clone" => "the fields are cloned one by one",
        _ => "`#[serde(with = \"..\")]` above a field says how it is stored",
    };
    format!(
        "`#[{attribute}]` implements `{implemented}` for `{name}`: take your `impl {implemented} for {name}` away; {instead}"
    )
}

/// Whether fields that are to stay on the server do so.
fn check_server_only(fields: &[Field], emit: Option<&LitStr>, serde: &Serde, diagnostics: &Diagnostics) {
    for word in fields.iter().filter_map(|field| field.server_only.as_ref()) {
        if emit.is_none() {
            diagnostics.report(
                word,
                "`server_only` keeps a field out of what is pushed, and nothing of this state is pushed: take it away, or \
                 write `#[session_state(emit = \"..\")]`",
            );
        } else if let Some(hides) = &serde.hides_names {
            let hides = hides.to_string();
            diagnostics.report(
                word,
                format_args!(
                    "what is kept on the server is known by its name, and `#[serde({hides})]` hides under which names fields are \
                     stored: take one of the two away"
                ),
            );
        }
    }
}

/// Whether the attributes are such as stand above a state.
fn check_attributes(attributes: &mut Vec<Attribute>, diagnostics: &Diagnostics) {
    attributes.retain(|attribute| {
        let message = match attribute.path().segments.last().map(|last| last.ident.to_string()).as_deref() {
            Some("session_state") => {
                "a struct is one state: write `#[session_state]` once, with all its arguments"
            }
            Some("session_value") => {
                "a struct is a state, or a value in one: write `#[session_state]` or `#[session_value]`"
            }
            Some("session") => {
                "`#[session(..)]` goes on a field; what is said of the state goes into `#[session_state(..)]`"
            }
            _ => return true,
        };
        diagnostics.report(attribute, message);
        false
    });
}

/// Whether the item is a struct with named fields.
fn check_shape(input: &DeriveInput, diagnostics: &Diagnostics) -> bool {
    let name = &input.ident;
    let what = match &input.data {
        Data::Struct(data) if matches!(data.fields, Fields::Named(_)) => return true,
        Data::Struct(data) if matches!(data.fields, Fields::Unit) => "a unit struct",
        Data::Struct(_) => "a tuple struct",
        Data::Enum(_) => "an enum",
        Data::Union(_) => "a union",
    };
    diagnostics.report(
        name,
        format_args!(
            "session state is stored field by field, under the fields' names, and `{name}` is {what}: \
             write `struct {name} {{ name: Type, .. }}`"
        ),
    );
    false
}

/// Whether the item has generics.
fn check_generics(input: &DeriveInput, diagnostics: &Diagnostics) -> bool {
    let generics = &input.generics;
    if generics.params.is_empty() {
        return false;
    }
    let name = &input.ident;
    if generics.params.iter().all(|parameter| matches!(parameter, syn::GenericParam::Lifetime(_))) {
        diagnostics.report(
            &generics.params,
            format_args!(
                "a state owns its fields, and outlives the call: write `struct {name}` without parameters, with `String` in \
                 place of a `&str`"
            ),
        );
        return true;
    }
    diagnostics.report(
        &generics.params,
        format_args!(
            "a session state is one concrete type under one key: write `struct {name}` without parameters, \
             and a struct for each type that is stored"
        ),
    );
    true
}

fn check_field(field: &mut syn::Field, diagnostics: &Diagnostics) -> Option<Field> {
    let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(&mut field.attrs)
        .into_iter()
        .partition(|attribute| attribute.path().is_ident("session"));
    field.attrs = others;
    for attribute in field.attrs.iter().filter(|attribute| is_conditional_session(attribute)) {
        diagnostics.report(
            attribute,
            "a field's default is there whatever the configuration: write `#[session(default = ..)]` and \
             put the condition into the expression",
        );
    }
    field.attrs.retain(|attribute| !is_conditional_session(attribute));
    field.attrs.retain(|attribute| !is_misplaced_default(attribute, diagnostics));
    check_owned("a state", &field.ty, diagnostics);
    let FieldArguments { default, server_only } = args::field(ours.iter(), diagnostics);
    let conditions = conditions(&field.attrs);
    let name = field.ident.clone()?;
    Some(Field { name, ty: field.ty.clone(), conditions, default, names: Vec::new(), server_only })
}

/// `#[default]`, as on a variant, or `#[default = 1]`.
fn is_misplaced_default(attribute: &Attribute, diagnostics: &Diagnostics) -> bool {
    let is_default = attribute.path().is_ident("default");
    if is_default {
        diagnostics.report(attribute, "what a field begins with is given by `#[session(default = ..)]`");
    }
    is_default
}

/// A reference cannot be read from what is stored.
pub(crate) fn check_owned(what: &str, ty: &Type, diagnostics: &Diagnostics) {
    if let Some(reference) = reference_in(ty) {
        let owned = match crate::model::parameters::ungrouped(&reference.elem) {
            Type::Path(path) if path.path.is_ident("str") => String::from("String"),
            Type::Slice(slice) => format!("Vec<{}>", slice.elem.to_token_stream()),
            owned => owned.to_token_stream().to_string(),
        };
        diagnostics.report(reference, format_args!("{what} owns its fields: write `{owned}`"));
    }
}

/// The first reference that a value of this type holds, as it is spelled.
pub(super) fn reference_in(ty: &Type) -> Option<&syn::TypeReference> {
    match ty {
        Type::Reference(reference) => Some(reference),
        Type::Group(group) => reference_in(&group.elem),
        Type::Paren(paren) => reference_in(&paren.elem),
        Type::Array(array) => reference_in(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(reference_in),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| match &segment.arguments {
            syn::PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().find_map(|argument| match argument {
                    syn::GenericArgument::Type(ty) => reference_in(ty),
                    _ => None,
                })
            }
            _ => None,
        }),
        _ => None,
    }
}

/// The attributes on which it depends whether something is there.
pub(crate) fn conditions(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_cfg =
        |attribute: &&Attribute| attribute.path().is_ident("cfg") || holds_conditionally(attribute, "cfg");
    attributes.iter().filter(is_cfg).cloned().collect()
}

fn is_conditional_session(attribute: &Attribute) -> bool {
    holds_conditionally(attribute, "session")
}

/// Whether a `cfg_attr` holds an attribute by this name.
pub(crate) fn holds_conditionally(attribute: &Attribute, name: &str) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let mut parts = tokens::split_at_commas(list.tokens.clone()).into_iter().skip(1);
    attribute.path().is_ident("cfg_attr")
        && parts.any(|part| matches!(tokens::leading_path(&part).as_slice(), [path] if path == name))
}

/// Takes `Default` out of the derives, because the expansion implements it, and the conditional derives of what the
/// expansion derives in any case. Returns what the user derives.
pub(crate) fn take_derives(attributes: &mut Vec<Attribute>) -> Derives {
    let mut derives = Derives::default();
    attributes.retain_mut(|attribute| {
        if attribute.path().is_ident("derive") {
            return take_from_derive(attribute, &mut derives);
        }
        if holds_conditionally(attribute, "derive") {
            take_from_conditional_derive(attribute);
        }
        true
    });
    derives
}

/// Whether anything is left.
fn take_from_derive(attribute: &mut Attribute, derives: &mut Derives) -> bool {
    let Meta::List(list) = &mut attribute.meta else { return true };
    let kept = without_derives(&list.tokens, |name| {
        derives.serialize |= name == "Serialize";
        derives.deserialize |= name == "Deserialize";
        derives.default |= name == "Default";
        derives.clone |= name == "Clone";
        name == "Default"
    });
    list.tokens = kept;
    !list.tokens.is_empty()
}

fn take_from_conditional_derive(attribute: &mut Attribute) {
    let Meta::List(list) = &mut attribute.meta else { return };
    let mut after_derive = false;
    let tokens = std::mem::take(&mut list.tokens).into_iter().map(|token| match token {
        TokenTree::Group(group) if after_derive => {
            after_derive = false;
            let kept = without_derives(&group.stream(), |name| {
                name == "Default" || name == "Serialize" || name == "Deserialize"
            });
            TokenTree::Group(proc_macro2::Group::new(group.delimiter(), kept))
        }
        token => {
            after_derive = matches!(&token, TokenTree::Ident(ident) if ident == "derive");
            token
        }
    });
    list.tokens = tokens.collect();
}

/// A list of derives without those whose last segment is dropped.
fn without_derives(derives: &TokenStream, mut drops: impl FnMut(&Ident) -> bool) -> TokenStream {
    let mut kept = TokenStream::new();
    for part in tokens::split_at_commas(derives.clone()) {
        let dropped = tokens::leading_path(&part).last().is_some_and(&mut drops);
        if dropped || part.is_empty() {
            continue;
        }
        if !kept.is_empty() {
            let comma = proc_macro2::Punct::new(',', proc_macro2::Spacing::Alone);
            kept.extend([TokenTree::Punct(comma)]);
        }
        kept.extend(part);
    }
    kept
}

/// What changes how a field or a struct is stored, and leaves the names of its fields as they are.
const LEAVES_NAMES: [&str; 12] = [
    "bound",
    "borrow",
    "default",
    "deny_unknown_fields",
    "deserialize_with",
    "expecting",
    "serialize_with",
    "skip",
    "skip_deserializing",
    "skip_serializing",
    "skip_serializing_if",
    "with",
];

/// Reads what the user says to serde; gives the fields the names that they have by that.
fn serde(input: &DeriveInput, fields: &mut [Field]) -> Serde {
    let mut serde = Serde::default();
    let mut rule = None;
    for said in input.attrs.iter().flat_map(names::said) {
        match (said.name.as_str(), &said.text) {
            ("crate", _) => serde.krate = true,
            ("default", _) => {
                serde.default = true;
                serde.reshapes(!said.is_bare, said.tokens);
            }
            ("rename_all", Some(text)) => {
                let is_known = names::renamed("field", text).is_some();
                serde.hides_names(!is_known, &said.tokens);
                rule = said.text;
            }
            (name, _) => {
                serde.hides_names(!LEAVES_NAMES.contains(&name), &said.tokens);
                serde.reshapes(true, said.tokens);
            }
        }
    }
    serde.is_conditional(&input.attrs);
    let Data::Struct(data) = &input.data else { return serde };
    for (field, written) in fields.iter_mut().zip(&data.fields) {
        let own = names::of(&field.name);
        let mut name = match &rule {
            Some(rule) => names::renamed(&own, rule).unwrap_or(own),
            None => own,
        };
        let mut aliases = Vec::new();
        for said in written.attrs.iter().flat_map(names::said) {
            match (said.name.as_str(), said.text) {
                ("rename", Some(text)) => name = text,
                ("alias", Some(text)) => aliases.push(text),
                // What is missing is what the field begins with in any case.
                ("default", None) if said.is_bare && field.default.is_none() => {}
                (name, _) => {
                    serde.hides_names(!LEAVES_NAMES.contains(&name), &said.tokens);
                    serde.reshapes(true, said.tokens);
                }
            }
        }
        serde.is_conditional(&written.attrs);
        field.names = [name].into_iter().chain(aliases).collect();
    }
    serde
}

impl Serde {
    fn reshapes(&mut self, does: bool, tokens: TokenStream) {
        if does {
            self.reshapes.get_or_insert(tokens);
        }
    }

    fn hides_names(&mut self, does: bool, tokens: &TokenStream) {
        if does {
            self.hides_names.get_or_insert_with(|| tokens.clone());
        }
    }

    /// What is said on a condition may be anything.
    fn is_conditional(&mut self, attributes: &[Attribute]) {
        let conditional = attributes.iter().find(|attribute| holds_conditionally(attribute, "serde"));
        if let Some(attribute) = conditional {
            self.hides_names(true, &attribute.to_token_stream());
            self.reshapes(true, attribute.to_token_stream());
        }
    }
}
