//! Checks of the signature as a whole: whether it is a handler's, and what it returns.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, GenericParam, PathArguments, ReturnType, Signature, Type};

use super::{Function, Kind, Parameter, State, attributes::is_condition, parameters};
use crate::{diagnostics::Diagnostics, tokens};

pub(super) fn check(kind: Kind, function: &Function, diagnostics: &Diagnostics) {
    check_attributes(function, diagnostics);
    check_qualifiers(kind, function, diagnostics);
    check_body(function, diagnostics);
    check_generics(function, diagnostics);
    if kind == Kind::Connect {
        check_adapter(function, diagnostics);
    }
    check_return(kind, function, diagnostics);
}

fn check_attributes(function: &Function, diagnostics: &Diagnostics) {
    for attribute in &function.attributes {
        if let Some(other) = Kind::named(attribute.path()) {
            let (name, other) = (&function.signature.ident, other.attribute());
            diagnostics.report(
                attribute,
                format_args!(
                    "`{name}` is one handler, and `#[{other}]` would make it another: write a function for \
                     each, and call from both what they share"
                ),
            );
        }
    }
}

fn check_qualifiers(kind: Kind, function: &Function, diagnostics: &Diagnostics) {
    let signature = &function.signature;
    let name = &signature.ident;
    if signature.asyncness.is_none() {
        diagnostics
            .report(signature.fn_token, format_args!("a handler is asynchronous: write `async fn {name}`"));
    }
    if let Some(token) = &signature.constness {
        diagnostics.report(token, format_args!("a handler runs at run time: write `async fn {name}`"));
    }
    if let Some(token) = &signature.unsafety {
        diagnostics.report(
            token,
            format_args!("a handler is called by the framework: write a safe `async fn {name}`"),
        );
    }
    if let Some(token) = &signature.abi {
        diagnostics.report(token, format_args!("a handler is called from Rust: write `async fn {name}`"));
    }
    if let Some(token) = &signature.variadic {
        diagnostics.report(token, "a handler has a fixed list of parameters");
    }
    if let Some(receiver) = signature.receiver() {
        let attribute = kind.attribute();
        diagnostics.report(
            receiver,
            format_args!("`#[{attribute}]` goes on a free function: take what `self` holds as a parameter"),
        );
    }
}

fn check_body(function: &Function, diagnostics: &Diagnostics) {
    if !is_braced(function.body.clone()) {
        let name = &function.signature.ident;
        diagnostics.report(&function.signature, format_args!("`{name}` has no body: write `{{ .. }}`"));
    }
}

fn is_braced(body: TokenStream) -> bool {
    let mut tokens = body.into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(group)), None) => match group.delimiter() {
            Delimiter::Brace => true,
            // What a `macro_rules!` macro passes on as a block.
            Delimiter::None => is_braced(group.stream()),
            Delimiter::Parenthesis | Delimiter::Bracket => false,
        },
        _ => false,
    }
}

fn check_generics(function: &Function, diagnostics: &Diagnostics) {
    for parameter in &function.signature.generics.params {
        let attributes = match parameter {
            GenericParam::Lifetime(parameter) => &parameter.attrs,
            GenericParam::Type(parameter) => &parameter.attrs,
            GenericParam::Const(parameter) => &parameter.attrs,
        };
        for condition in attributes.iter().filter(|attribute| is_condition(attribute)) {
            diagnostics.report(
                condition,
                "a handler's type parameters are there whatever the configuration: put the `#[cfg]` on the \
                 function",
            );
        }
    }
}

/// A connect handler becomes a value that implements a trait over the adapter, and over nothing else.
fn check_adapter(function: &Function, diagnostics: &Diagnostics) {
    let mut adapters = 0;
    for parameter in &function.signature.generics.params {
        if let GenericParam::Type(_) = parameter {
            adapters += 1;
            if adapters == 1 {
                continue;
            }
        }
        diagnostics.report(
            parameter,
            format_args!(
                "a connect handler may be generic over the adapter only: write `async fn {}<A: \
                 Adapter>(..)` or no parameter at all",
                function.signature.ident
            ),
        );
    }
}

/// Its states are named by its constant's type, so they are concrete.
pub(super) fn check_states_of_connect(
    signature: &Signature,
    parameters: &[Parameter],
    diagnostics: &Diagnostics,
) {
    for parameter in parameters {
        let Parameter::State(State { ty, .. }) = parameter else { continue };
        if signature
            .generics
            .type_params()
            .any(|generic| tokens::mentions(&ty.to_token_stream(), &generic.ident))
        {
            diagnostics.report(
                ty,
                "a connect handler may be generic over the adapter only: write a `#[session_state]` struct, and a connect \
                 handler for each",
            );
        }
    }
}

fn check_return(kind: Kind, function: &Function, diagnostics: &Diagnostics) {
    match &function.signature.output {
        ReturnType::Type(_, ty)
            if is_or_holds_reference(ty) || sends_after_turn(kind) && contains_borrow(ty) =>
        {
            diagnostics.report(
                ty,
                "return an owned value, as `String` and `&'static str` are: the answer leaves after the \
                 session's turn has ended",
            );
        }
        ReturnType::Type(_, ty) if matches!(parameters::ungrouped(ty), Type::Never(_)) => {
            diagnostics.report(
                ty,
                "a handler comes to an end, where its changes are saved: write the type of its answer",
            );
        }
        ReturnType::Type(_, ty) if sends_after_turn(kind) && captures_states(function, ty) => {
            diagnostics.report(
                ty,
                "the answer leaves after the session's turn has ended, and `impl Trait` borrows the \
                 states: write the type itself, or add `+ use<>`",
            );
        }
        ReturnType::Default if kind == Kind::ConnectMiddleware => diagnostics.report(
            &function.signature.ident,
            "a connect middleware decides: write `-> Result<(), E>`, where `E: Display` is what a refused \
             client is told",
        ),
        ReturnType::Type(..) | ReturnType::Default => {}
    }
}

/// Whether a type is `&T` with any lifetime but `'static`, or an `Option`, a `Result`, an `Html` or a tuple of one. An alias of theirs is
/// found by the compiler.
fn is_or_holds_reference(ty: &Type) -> bool {
    match parameters::ungrouped(ty) {
        Type::Reference(reference) => {
            reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
        }
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            let transparent = ["Html", "Option", "Result"].iter().any(|name| segment.ident == name);
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
            transparent
                && arguments.args.iter().any(|argument| match argument {
                    GenericArgument::Type(ty) => is_or_holds_reference(ty),
                    _ => false,
                })
        }),
        Type::Tuple(tuple) => tuple.elems.iter().any(is_or_holds_reference),
        _ => false,
    }
}

/// Whether a type shows that it borrows: `Cow<'_, str>`, `Vec<&str>`.
fn contains_borrow(ty: &Type) -> bool {
    tokens::contain_borrow(ty.to_token_stream())
}

/// Whether the value itself is needed after the turn. By then the value of an HTTP handler is a response, and the error
/// of a middleware is a text.
fn sends_after_turn(kind: Kind) -> bool {
    matches!(kind, Kind::Socket | Kind::Connect)
}

/// In an `async fn`, `impl Trait` captures the lifetimes of all parameters unless it says which.
fn captures_states(function: &Function, ty: &Type) -> bool {
    let takes_references = function.signature.inputs.iter().any(|input| match input {
        syn::FnArg::Typed(typed) => parameters::looks_like_state(&typed.ty),
        syn::FnArg::Receiver(_) => false,
    });
    let mentions = |word| tokens::mentions(&ty.to_token_stream(), &Ident::new(word, Span::call_site()));
    takes_references && mentions("impl") && !mentions("use")
}
