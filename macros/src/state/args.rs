//! The arguments of `#[session_state]` and of `#[session]` on a field.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{
    Expr, LitStr, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use super::key;
use crate::diagnostics::Diagnostics;

/// A value that may be given once.
struct Once<T>(Option<T>);

impl<T> Once<T> {
    fn set(&mut self, name: &Ident, value: T, diagnostics: &Diagnostics) {
        if self.0.is_some() {
            diagnostics.report(name, format_args!("`{name}` is given twice: keep one of them"));
        } else {
            self.0 = Some(value);
        }
    }
}

/// What is in the parentheses of `#[session_state]`.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) key: Option<LitStr>,
    pub(super) emit: Option<LitStr>,
    pub(super) on_undecodable: Option<LitStr>,
}

/// What is in the parentheses of a field's `#[session]`.
#[derive(Default)]
pub(super) struct FieldArguments {
    pub(super) default: Option<Expr>,
    /// The word `server_only`.
    pub(super) server_only: Option<Ident>,
}

/// Reads `key = ".."`, `emit = ".."` and `on_undecodable = "default"`.
pub(super) fn state(arguments: TokenStream, diagnostics: &Diagnostics) -> Arguments {
    let (mut key, mut emit, mut on_undecodable) = (Once(None), Once(None), Once(None));
    let parser = |input: ParseStream<'_>| {
        each(input, "key = \"user\"", diagnostics, |name| {
            if name == "on_undecodable" {
                let given: LitStr = value(name, input, ON_UNDECODABLE)?;
                if given.value() != "default" {
                    diagnostics.report(&given, format_args!("write `{ON_UNDECODABLE}`: each field that does not decode begins with its default"));
                }
                on_undecodable.set(name, given, diagnostics);
                return Ok(());
            }
            if name == "emit" {
                let event = value(name, input, EMIT)?;
                check_event(&event, diagnostics);
                emit.set(name, event, diagnostics);
                return Ok(());
            }
            if name != "key" {
                let message = format!(
                    "`{name}` is no argument of `#[session_state]`: it takes `key = \"..\"`, `emit = \"..\"` and \
                     `{ON_UNDECODABLE}`"
                );
                return Err(syn::Error::new(name.span(), message));
            }
            let value = value(name, input, "key = \"user\"")?;
            check_key(&value, diagnostics);
            key.set(name, value, diagnostics);
            Ok(())
        })
    };
    if let Err(error) = parser.parse2(arguments) {
        diagnostics.push(error);
    }
    Arguments { key: key.0, emit: emit.0, on_undecodable: on_undecodable.0 }
}

const EMIT: &str = "emit = \"user\"";

/// Events that clients take from Socket.IO itself, or from this crate.
const TAKEN: [&str; 8] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "session_ended",
    "session_error",
];

fn check_event(event: &LitStr, diagnostics: &Diagnostics) {
    let name = event.value();
    if name.is_empty() {
        diagnostics.report(event, format_args!("an event has a name: write `{EMIT}`"));
    } else if TAKEN.contains(&name.as_str()) {
        diagnostics.report(
            event,
            format_args!("clients hear `{name}` for another reason: write another event, as `{EMIT}`"),
        );
    }
}

const ON_UNDECODABLE: &str = "on_undecodable = \"default\"";

fn check_key(key: &LitStr, diagnostics: &Diagnostics) {
    let reserved = key::RESERVED;
    if key.value().is_empty() {
        diagnostics.report(key, "a key has at least one character: write `key = \"user\"`");
    } else if key.value().starts_with(reserved) {
        diagnostics
            .report(key, format_args!("keys that begin with `{reserved}` are reserved: write another one"));
    }
}

/// Reads `default = EXPR` and `server_only`, out of all the `#[session]` attributes of one field.
pub(super) fn field<'a>(
    attributes: impl Iterator<Item = &'a syn::Attribute>,
    diagnostics: &Diagnostics,
) -> FieldArguments {
    let says_nothing = "`#[session]` gives a field its first value, or keeps it on the server: write \
                        `#[session(default = ..)]` or `#[session(server_only)]`";
    let (mut default, mut server_only) = (Once(None), Once(None));
    for attribute in attributes {
        let parser = |input: ParseStream<'_>| {
            if input.is_empty() {
                return Err(syn::Error::new_spanned(attribute, says_nothing));
            }
            each(input, "default = 1", diagnostics, |name| {
                if name == "server_only" {
                    server_only.set(name, name.clone(), diagnostics);
                    return Ok(());
                }
                if name != "default" {
                    let message = format!(
                        "`{name}` is no argument of `#[session]`: it takes `default = ..` and `server_only`, and what is \
                         serde's goes into `#[serde(..)]`"
                    );
                    return Err(syn::Error::new(name.span(), message));
                }
                let value = value(name, input, "default = 1")?;
                default.set(name, value, diagnostics);
                Ok(())
            })
        };
        let read = match &attribute.meta {
            syn::Meta::List(_) => attribute.parse_args_with(parser),
            meta => Err(syn::Error::new_spanned(meta, says_nothing)),
        };
        if let Err(error) = read {
            diagnostics.push(error);
        }
    }
    FieldArguments { default: default.0, server_only: server_only.0 }
}

/// Calls `argument` at each name; it reads what follows the name. A mistake in one argument does not hide one in the
/// next.
fn each(
    input: ParseStream<'_>,
    example: &str,
    diagnostics: &Diagnostics,
    mut argument: impl FnMut(&Ident) -> syn::Result<()>,
) -> syn::Result<()> {
    while !input.is_empty() {
        let name = input.call(Ident::parse_any).map_err(|error| {
            syn::Error::new(error.span(), format!("expected the name of an argument: write `{example}`"))
        });
        let read = name.and_then(|name| argument(&name));
        let read =
            read.and_then(|()| if input.is_empty() { Ok(()) } else { input.parse::<Token![,]>().map(drop) });
        if let Err(error) = read {
            diagnostics.push(error);
            skip_argument(input)?;
        }
    }
    Ok(())
}

fn skip_argument(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Reads the `= VALUE` that belongs to a name.
fn value<T: syn::parse::Parse>(name: &Ident, input: ParseStream<'_>, example: &str) -> syn::Result<T> {
    if input.is_empty() {
        return Err(syn::Error::new(name.span(), format!("`{name}` needs a value: write `{example}`")));
    }
    let explain = |error: syn::Error| syn::Error::new(error.span(), format!("{error}: write `{example}`"));
    input.parse::<Token![=]>().map_err(explain)?;
    input.parse().map_err(explain)
}
