//! Checks of the parameters: which are session state, and how each is borrowed.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{FnArg, GenericArgument, Pat, PatType, PathArguments, Signature, Type};

use super::{Access, Extractor, Kind, Parameter, State, attributes::is_condition};
use crate::diagnostics::Diagnostics;

/// Sorts the parameters into states and extractors.
pub(super) fn check(
    kind: Kind,
    names: &[Ident],
    signature: &Signature,
    diagnostics: &Diagnostics,
) -> Vec<Parameter> {
    let typed = typed_parameters(signature);
    check_names(names, &typed, signature, diagnostics);
    let full_list = full_list(kind, names, &typed);

    let mut parameters = Vec::new();
    let mut held = Vec::new();
    for parameter in typed {
        let name = name_of(parameter).filter(|name| names.contains(name));
        if let Some(name) = name {
            let Some(state) = check_state(name, parameter, diagnostics) else { continue };
            check_held_once(name, &state.ty, &mut held, diagnostics);
            parameters.push(Parameter::State(state));
        } else {
            check_extractor(kind, parameter, &full_list, diagnostics);
            let conditions =
                parameter.attrs.iter().filter(|attribute| is_condition(attribute)).cloned().collect();
            parameters.push(Parameter::Extractor(Extractor { ty: (*parameter.ty).clone(), conditions }));
        }
    }
    parameters
}

/// A type without the invisible groups and the parentheses around it.
pub(super) fn ungrouped(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            ty => return ty,
        };
    }
}

fn typed_parameters(signature: &Signature) -> Vec<&PatType> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

fn name_of(parameter: &PatType) -> Option<&Ident> {
    match &*parameter.pat {
        Pat::Ident(pattern) => Some(&pattern.ident),
        _ => None,
    }
}

fn check_names(names: &[Ident], typed: &[&PatType], signature: &Signature, diagnostics: &Diagnostics) {
    let known: Vec<_> = typed.iter().filter_map(|parameter| name_of(parameter)).collect();
    for name in names.iter().filter(|name| !known.contains(name)) {
        let listed: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        let has = if listed.is_empty() { String::from("no named parameter") } else { listed.join(", ") };
        diagnostics.report(
            name,
            format_args!(
                "`{name}` is not a parameter of `{}`: the attribute names the parameters that are session \
                 state (this function has {has})",
                signature.ident
            ),
        );
    }
}

/// The attribute with every reference in its list.
fn full_list(kind: Kind, names: &[Ident], typed: &[&PatType]) -> String {
    let mut list: Vec<String> = Vec::new();
    let known: Vec<_> = typed.iter().filter_map(|parameter| name_of(parameter)).collect();
    list.extend(names.iter().filter(|name| known.contains(name)).map(Ident::to_string));
    let references = typed.iter().filter(|parameter| looks_like_state(&parameter.ty));
    let unnamed = references.filter_map(|parameter| name_of(parameter)).filter(|name| !names.contains(name));
    list.extend(unnamed.map(Ident::to_string));
    format!("#[{}({})]", kind.attribute(), list.join(", "))
}

fn check_state(name: &Ident, parameter: &PatType, diagnostics: &Diagnostics) -> Option<State> {
    for condition in parameter.attrs.iter().filter(|attribute| is_condition(attribute)) {
        diagnostics.report(
            condition,
            format_args!("`{name}` is held whatever the configuration: put the `#[cfg]` on the function"),
        );
    }
    match access_of(&parameter.ty) {
        Ok((access, ty)) => Some(State { access, ty: ty.clone() }),
        Err(mistake) => {
            diagnostics.report(&parameter.ty, mistake.explain(name));
            None
        }
    }
}

/// What is wrong with a state's type.
enum Mistake<'a> {
    ByValue(&'a Type),
    OptionOfMutable(&'a Type),
    OptionByValue(&'a Type),
    /// A type that cannot be a state, however it is borrowed.
    NotConcrete(&'a Type),
    /// `&'static T`, or with `mut`.
    Static(&'a syn::TypeReference),
}

impl Mistake<'_> {
    fn explain(&self, name: &Ident) -> String {
        match self {
            Self::ByValue(ty) => {
                if let Some(extractor) = own_extractor(ty) {
                    return format!(
                        "`{extractor}` is an extractor, and no session state: leave `{name}` out of the attribute"
                    );
                }
                let ty = spelled(ty);
                format!(
                    "session state is borrowed: write `{name}: &{ty}` to read it or `{name}: &mut {ty}` to \
                     change it; an extractor, as `Shared` and `SessionControl` are, is left out of the attribute"
                )
            }
            Self::OptionOfMutable(ty) => {
                let ty = spelled(ty);
                format!(
                    "a state that is changed is always there: write `{name}: &mut {ty}`, which starts from \
                     `{ty}::default()` where nothing is stored"
                )
            }
            Self::OptionByValue(ty) => {
                let ty = spelled(ty);
                format!(
                    "session state is borrowed: write `{name}: Option<&{ty}>` to see whether it is stored, \
                     or `{name}: &mut {ty}` to change it"
                )
            }
            Self::Static(reference) => {
                let (mutability, ty) =
                    (reference.mutability.map_or("", |_| "mut "), spelled(&reference.elem));
                format!("session state is borrowed for one call: write `&{mutability}{ty}`")
            }
            Self::NotConcrete(ty) => format!(
                "session state is one concrete type under one key, and `{}` is none: write `{name}: &T` or \
                 `{name}: &mut T` with a `#[session_state]` struct `T`",
                spelled(ty)
            ),
        }
    }
}

/// The name of an extractor of this crate, if the type looks like one.
fn own_extractor(ty: &Type) -> Option<&Ident> {
    let Type::Path(path) = ty else { return None };
    let last = &path.path.segments.last()?.ident;
    (last == "Shared" || last == "SessionControl").then_some(last)
}

fn access_of(ty: &Type) -> Result<(Access, &Type), Mistake<'_>> {
    let ty = ungrouped(ty);
    if let Type::Reference(reference) = ty {
        let access = if reference.mutability.is_some() { Access::Write } else { Access::Read };
        return borrowed_type(reference).map(|ty| (access, ty));
    }
    let Some(inner) = inside_option(ty) else { return Err(Mistake::ByValue(ty)) };
    match inner {
        Type::Reference(reference) if reference.mutability.is_some() => {
            Err(Mistake::OptionOfMutable(&reference.elem))
        }
        Type::Reference(reference) => borrowed_type(reference).map(|ty| (Access::Maybe, ty)),
        inner => Err(Mistake::OptionByValue(inner)),
    }
}

fn borrowed_type(reference: &syn::TypeReference) -> Result<&Type, Mistake<'_>> {
    if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") {
        return Err(Mistake::Static(reference));
    }
    let ty = ungrouped(&reference.elem);
    match ty {
        Type::Path(_) | Type::Macro(_) => Ok(ty),
        _ => Err(Mistake::NotConcrete(ty)),
    }
}

/// `T` of `Option<T>`.
fn inside_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ungrouped(ty)),
        _ => None,
    }
}

/// `&T`, `&mut T`, or one of them in an `Option`.
pub(super) fn looks_like_state(ty: &Type) -> bool {
    let ty = ungrouped(ty);
    matches!(inside_option(ty).unwrap_or(ty), Type::Reference(_))
}

fn check_held_once<'a>(
    name: &'a Ident,
    ty: &Type,
    held: &mut Vec<(&'a Ident, String)>,
    diagnostics: &Diagnostics,
) {
    let ty_text = spelled(ty);
    match held.iter().find(|(_, earlier)| *earlier == ty_text) {
        Some((holder, _)) => {
            diagnostics.report(
                ty,
                format_args!("`{ty_text}` is already held by `{holder}`: one parameter per state"),
            );
        }
        None => held.push((name, ty_text)),
    }
}

fn check_extractor(kind: Kind, parameter: &PatType, full_list: &str, diagnostics: &Diagnostics) {
    if looks_like_state(&parameter.ty) {
        let message = match name_of(parameter) {
            Some(name) => format!("`{name}` is a reference: name it in the attribute: `{full_list}`"),
            None => format!(
                "only session state is a reference: give the parameter a name and list it in the \
                 attribute, as in `#[{}(session)]`",
                kind.attribute()
            ),
        };
        diagnostics.report(&parameter.ty, message);
    }
    if kind == Kind::Connect {
        for condition in parameter.attrs.iter().filter(|attribute| is_condition(attribute)) {
            diagnostics.report(
                condition,
                "a connect handler's parameters are there whatever the configuration: put the `#[cfg]` on the \
                 function",
            );
        }
    }
    let described = match kind {
        Kind::Connect => "a connect handler",
        Kind::Socket => "a socket handler",
        Kind::Http | Kind::ConnectMiddleware => return,
    };
    if let Type::ImplTrait(ty) = ungrouped(&parameter.ty) {
        diagnostics.report(
            ty,
            format_args!("{described}'s parameters are concrete types: write the extractor's type"),
        );
    }
}

/// A type as a user would write it, without the spaces that printing puts between tokens.
fn spelled(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (printed, written) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" > ", ">"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        ("( ", "("),
        (" )", ")"),
    ] {
        text = text.replace(printed, written);
    }
    text
}
