//! Checks of the parameters: which are session state, and how each is borrowed.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{FnArg, GenericArgument, Pat, PatType, PathArguments, Signature, Type};

use super::{Access, Extractor, Kind, Parameter, State, advice, attributes::is_condition};
use crate::{args::Names, diagnostics::Diagnostics, tokens};

/// Sorts the parameters into states and extractors.
pub(super) fn check(
    kind: Kind,
    names: &Names,
    signature: &Signature,
    diagnostics: &Diagnostics,
) -> Vec<Parameter> {
    let Names { listed: names, is_unclear } = names;
    let typed = typed_parameters(signature);
    check_number(kind, names, &typed, diagnostics);
    let full_list = full_list(kind, names, &typed);
    let all_known = check_names(names, &typed, signature, &full_list, diagnostics) && !is_unclear;

    let mut parameters = Vec::new();
    let mut held = Vec::new();
    for parameter in typed {
        let name = name_of(parameter).filter(|name| names.contains(name));
        if let Some(name) = name {
            let Some(state) = check_state(name, parameter, diagnostics) else { continue };
            check_held_once(name, &state.ty, &mut held, diagnostics);
            parameters.push(Parameter::State(state));
        } else {
            // One that the attribute names otherwise is reported there.
            check_extractor(kind, parameter, all_known.then_some(&full_list), diagnostics);
            let conditions =
                parameter.attrs.iter().filter(|attribute| is_condition(attribute)).cloned().collect();
            let name = shown_name(parameter);
            parameters.push(Parameter::Extractor(Extractor {
                name,
                ty: (*parameter.ty).clone(),
                conditions,
            }));
        }
    }
    parameters
}

/// As many extractors as the frameworks, and the runtime, take.
fn check_number(kind: Kind, names: &[Ident], typed: &[&PatType], diagnostics: &Diagnostics) {
    let most = match kind {
        Kind::Http | Kind::ConnectMiddleware => 15,
        Kind::Socket | Kind::Connect => 16,
    };
    let is_state = |parameter: &&&PatType| name_of(parameter).is_some_and(|name| names.contains(name));
    let extractors = typed.iter().filter(|parameter| !is_state(parameter));
    if let Some(surplus) = extractors.clone().nth(most) {
        diagnostics.report(
            surplus,
            format_args!("a handler takes at most {most} extractors beside its states: put some into a struct of your own"),
        );
    }
}

/// A type without the invisible groups and the parentheses around it.
pub(crate) fn ungrouped(mut ty: &Type) -> &Type {
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

/// The name under which documentation shows a parameter: the user's, also out of `Form(login)`.
fn shown_name(parameter: &PatType) -> Option<Ident> {
    let name = match &*parameter.pat {
        Pat::Ident(pattern) => &pattern.ident,
        Pat::TupleStruct(pattern) => match pattern.elems.iter().collect::<Vec<_>>().as_slice() {
            [Pat::Ident(inner)] => &inner.ident,
            _ => return None,
        },
        _ => return None,
    };
    Some(name.clone())
}

/// Whether all names are parameters'.
fn check_names(
    names: &[Ident],
    typed: &[&PatType],
    signature: &Signature,
    full_list: &str,
    diagnostics: &Diagnostics,
) -> bool {
    let known: Vec<_> = typed.iter().filter_map(|parameter| name_of(parameter)).collect();
    let mut all_known = true;
    for name in names.iter().filter(|name| !known.contains(name)) {
        all_known = false;
        if typed.iter().any(|parameter| is_of_type(parameter, name)) {
            diagnostics.report(
                name,
                format_args!("`{name}` is a type, and the attribute lists parameters by their names: write `{full_list}`"),
            );
            continue;
        }
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
    all_known
}

/// Whether a parameter borrows what is called so.
fn is_of_type(parameter: &PatType, name: &Ident) -> bool {
    let ty = ungrouped(&parameter.ty);
    let borrowed = match inside_option(ty).unwrap_or(ty) {
        Type::Reference(reference) => &*reference.elem,
        ty => ty,
    };
    advice::word(borrowed).is_some_and(|word| *name == word)
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
    if let Some(advice) = advice::of_listed(name, &parameter.ty) {
        diagnostics.report(&parameter.ty, advice);
        return None;
    }
    match access_of(&parameter.ty) {
        Ok((access, ty)) => Some(State { name: name.clone(), access, ty: ty.clone() }),
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
                let ty = spelled(advice::bare(ty));
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
            Self::NotConcrete(Type::Reference(reference)) => {
                let ty = spelled(advice::bare(&reference.elem));
                format!(
                    "a state is borrowed once: write `{name}: &{ty}` to read it or `{name}: &mut {ty}` to change it"
                )
            }
            Self::NotConcrete(ty) => format!(
                "session state is one concrete type under one key, and `{}` is none: write `{name}: &T` or \
                 `{name}: &mut T` with a `#[session_state]` struct `T`",
                spelled(ty)
            ),
        }
    }
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

fn check_extractor(kind: Kind, parameter: &PatType, full_list: Option<&String>, diagnostics: &Diagnostics) {
    if let Some(full_list) = full_list.filter(|_| looks_like_state(&parameter.ty)) {
        let advice = match ungrouped(&parameter.ty) {
            Type::Reference(reference) => {
                let name = name_of(parameter).map_or_else(|| String::from("name"), ToString::to_string);
                advice::of_unlisted(kind, &name, reference, full_list)
            }
            _ => None,
        };
        let message = match name_of(parameter) {
            _ if advice.is_some() => advice.unwrap_or_default(),
            Some(name) => {
                let own = match kind {
                    Kind::Http => "an extractor is taken by value",
                    Kind::Socket | Kind::Connect | Kind::ConnectMiddleware => {
                        "what a client sends is taken by value, out of `Data`"
                    }
                };
                format!("`{name}` is a reference: name it in the attribute: `{full_list}`; {own}")
            }
            None => format!(
                "only session state is a reference: give the parameter a name and list it in the \
                 attribute, as in `#[{}(session)]`",
                kind.attribute()
            ),
        };
        diagnostics.report(&parameter.ty, message);
    }
    check_read(parameter, diagnostics);
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

/// What is read from what a client sends cannot borrow from it.
fn check_read(parameter: &PatType, diagnostics: &Diagnostics) {
    const READERS: [&str; 6] = ["Data", "Form", "Json", "Path", "Query", "TryData"];
    let ty = ungrouped(&parameter.ty);
    let reads = advice::word(ty).is_some_and(|word| READERS.contains(&word.as_str()));
    if reads && tokens::contain_borrow(ty.to_token_stream()) {
        diagnostics.report(
            ty,
            "what is read from what a client sends is owned: write `String` for `&str`, `Vec<T>` for `&[T]`, and a struct without \
             a lifetime",
        );
    }
}

/// A type as a user would write it, without the spaces that printing puts between tokens.
pub(super) fn spelled(ty: &Type) -> String {
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
